//! The plan against single situations, and against a farm that lives.

mod frost;
mod holds;
mod life;
mod rollover;
mod situations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Farm, Plan, plan};
use crate::model::{
    Binding, Budget, Cost, Deadlines, Event, Found, GuestPhase, GuestReport, InstanceName,
    InstanceType, Job, JobId, JobState, Keeper, Phase, Pool, Record, RunnerId, Source, Spec,
    Target, step,
};

const START: Timestamp = Timestamp::UNIX_EPOCH;
const LIFE: [GuestPhase; 6] = [
    GuestPhase::Preparing,
    GuestPhase::Ready,
    GuestPhase::Claimed,
    GuestPhase::Listening,
    GuestPhase::Busy,
    GuestPhase::Finished,
];

fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

fn spec(pool: &str, gib: u64) -> Spec {
    Spec {
        pool: pool.to_owned(),
        fingerprint: String::new(),
        baked: None,
        image: "debian".to_owned(),
        instance_type: InstanceType::Container,
        profiles: vec![],
        cpu: Some(1),
        memory: Some(format!("{gib}GiB")),
        disk: None,
        guest: String::new(),
        nesting: false,
        share: String::new(),
    }
}

fn pool(name: &str, path: &str, labels: &[&str]) -> Pool {
    Pool {
        name: name.to_owned(),
        target: Target { connection: "github".to_owned(), path: path.parse().unwrap() },
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        spec: spec(name, 1),
        min_idle: 0,
        standby: 0,
        frozen: 0,
        lifetime: None,
        max: 4,
        priority: 0,
        idle_timeout: SignedDuration::from_mins(5),
        deadlines: Deadlines::default(),
    }
}

fn job(id: JobId, repository: &str, labels: &[&str]) -> Job {
    Job {
        id,
        connection: "github".to_owned(),
        run_id: id,
        run_attempt: 1,
        repository: repository.to_owned(),
        name: format!("job {id}"),
        workflow: None,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        state: JobState::Queued,
        runner: None,
        conclusion: None,
        queued_at: START,
        started_at: None,
        completed_at: None,
        found_by: Source::Webhook,
        heard_at: START,
        confirmed_at: START,
        history: vec![],
    }
}

/// A farm that the test holds.
struct Scene {
    pools: Vec<Arc<Pool>>,
    records: BTreeMap<RunnerId, Arc<Record>>,
    jobs: BTreeMap<JobId, Arc<Job>>,
    budget: Budget,
    doomed: BTreeSet<String>,
    now: Timestamp,
    made: u64,
}

impl Scene {
    fn new(pools: Vec<Pool>) -> Self {
        let host = Cost { cpus: 64, memory: 64 << 30, disk: u64::MAX };
        Self {
            pools: pools.into_iter().map(Arc::new).collect(),
            records: BTreeMap::new(),
            jobs: BTreeMap::new(),
            budget: Budget { host, runners: None, creations_per_minute: 1000 },
            doomed: BTreeSet::new(),
            now: START,
            made: 0,
        }
    }

    fn plan(&self) -> Plan {
        plan(Farm {
            pools: &self.pools,
            records: &self.records,
            jobs: &self.jobs,
            budget: &self.budget,
            doomed: &self.doomed,
            lists_are_complete: true,
            now: self.now,
        })
    }

    fn queue(&mut self, job: Job) {
        self.jobs.insert(job.id, job.into());
    }

    fn job(&mut self, id: JobId) -> &mut Job {
        Arc::make_mut(self.jobs.get_mut(&id).unwrap())
    }

    fn create(&mut self, spec: &Spec) -> RunnerId {
        self.made += 1;
        let id = RunnerId::from_bits(self.made);
        let name = InstanceName::new("larm".parse().unwrap(), id.clone());
        let mut record = Record::planned(name, spec.clone(), false, self.now);
        record.keeper = Keeper::Farm;
        self.records.insert(id.clone(), Arc::new(record));
        id
    }

    fn meet(&mut self, id: &RunnerId, event: &Event) {
        let done = step(&self.records[id], event, &Deadlines::default(), self.now).unwrap();
        self.records.insert(id.clone(), Arc::new(done.record));
    }

    fn guest(&mut self, id: &RunnerId, phase: GuestPhase) {
        let reached = LIFE.into_iter().filter(|one| *one <= phase);
        let report = GuestReport {
            seq: 1,
            phase,
            reached: reached.map(|phase| (phase, self.now)).collect(),
            detail: None,
            oom_kills: 0,
            exit_code: (phase == GuestPhase::Finished).then_some(0),
            pre_job: Found::Absent,
            post_job: Found::Absent,
        };
        self.meet(id, &Event::Reported(Box::new(report)));
    }

    /// A listener that ends, having come by these phases.
    fn ends(&mut self, id: &RunnerId, life: &[GuestPhase]) {
        let reached = life.iter().chain([&GuestPhase::Finished]);
        let report = GuestReport {
            seq: 9,
            phase: GuestPhase::Finished,
            reached: reached.map(|phase| (*phase, self.now)).collect(),
            detail: None,
            oom_kills: 0,
            exit_code: Some(1),
            pre_job: Found::Absent,
            post_job: Found::Absent,
        };
        self.meet(id, &Event::Reported(Box::new(report)));
    }

    /// An instance that is ready for a credential.
    fn standby(&mut self, spec: &Spec) -> RunnerId {
        let id = self.create(spec);
        self.meet(&id, &Event::Admitted);
        self.meet(&id, &Event::Created(SignedDuration::ZERO));
        self.meet(&id, &Event::Started(SignedDuration::ZERO));
        self.guest(&id, GuestPhase::Ready);
        id
    }

    /// A runner that waits for a job.
    fn listening(&mut self, pool: usize) -> RunnerId {
        let pool = Arc::clone(&self.pools[pool]);
        let id = self.standby(&pool.spec);
        self.meet(&id, &Event::Bound(binding(&pool, self.now)));
        self.guest(&id, GuestPhase::Listening);
        id
    }
}

fn binding(pool: &Pool, since: Timestamp) -> Binding {
    Binding {
        pool: pool.name.clone(),
        target: pool.target.clone(),
        labels: pool.labels.clone(),
        job: None,
        since,
    }
}

fn phase(scene: &Scene, id: &RunnerId) -> Phase {
    scene.records[id].phase
}
