//! A large farm: pools, runners in all phases of life, and jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use larm::model::plan::Farm;
use larm::model::{
    Binding, Budget, Cost, Deadlines, Event, Found, GuestPhase, GuestReport, InstanceName,
    InstanceType, Job, JobId, JobState, Keeper, Pool, Record, RunnerId, Sighting, Source, Spec,
    Target, step,
};

/// 2026-01-01, as good as any.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

const POOLS: usize = 10;
const RUNNERS: u64 = 1_000;
const JOBS: u64 = 10_000;

/// What the plan is made from.
pub(crate) struct Scene {
    pools: Vec<Arc<Pool>>,
    records: BTreeMap<RunnerId, Arc<Record>>,
    jobs: BTreeMap<JobId, Arc<Job>>,
    budget: Budget,
    doomed: BTreeSet<String>,
}

impl Scene {
    /// Ten pools of a hundred runners each: a third boots, a third is ready, a third listens. Half of
    /// the jobs are queued, a tenth runs elsewhere, the others have ended.
    pub(crate) fn large() -> Self {
        let pools: Vec<Arc<Pool>> = (0..POOLS).map(|number| Arc::new(pool(number))).collect();
        let runners = (0..RUNNERS).zip(pools.iter().cycle());
        let records = runners.map(|(number, pool)| runner(number, pool));
        let jobs =
            (1..=JOBS).zip((0..POOLS).cycle()).map(|(id, pool)| (id, Arc::new(job(id, pool))));
        let host = Cost { cpus: 4096, memory: 4096 << 30, disk: u64::MAX };
        Self {
            records: records.map(|one| (one.id().clone(), Arc::new(one))).collect(),
            jobs: jobs.collect(),
            pools,
            budget: Budget { host, runners: None, creations_per_minute: 1000 },
            doomed: BTreeSet::new(),
        }
    }

    pub(crate) fn farm(&self) -> Farm<'_> {
        Farm {
            pools: &self.pools,
            records: &self.records,
            jobs: &self.jobs,
            budget: &self.budget,
            doomed: &self.doomed,
            lists_are_complete: true,
            now: NOW,
        }
    }
}

fn pool(number: usize) -> Pool {
    let name = format!("pool-{number}");
    let mut spec = Spec::new(&name, "debian", InstanceType::Container);
    (spec.cpu, spec.memory) = (Some(2), Some("2GiB".to_owned()));
    Pool {
        frozen: 0,
        lifetime: None,
        target: Target {
            connection: larm::model::DEFAULT_CONNECTION.to_owned(),
            path: format!("acme/repository-{number}").parse().unwrap(),
        },
        labels: vec!["linux".to_owned(), "x64".to_owned(), name.clone()],
        name,
        spec,
        min_idle: 5,
        standby: 10,
        max: 200,
        priority: 0,
        idle_timeout: SignedDuration::from_mins(5),
        deadlines: Deadlines::default(),
    }
}

/// A runner of a pool, as far in its life as its number says.
pub(crate) fn runner(number: u64, pool: &Pool) -> Record {
    let name = InstanceName::new("larm".parse().unwrap(), RunnerId::from_bits(number));
    let mut record = Record::planned(name, pool.spec.clone(), false, NOW);
    record.keeper = Keeper::Farm;
    let took = SignedDuration::from_secs(1);
    for event in [Event::Admitted, Event::Created(took), Event::Started(took)] {
        record = meet(&record, &event);
    }
    if !number.is_multiple_of(3) {
        record = meet(&record, &report(GuestPhase::Ready));
    }
    if number % 3 > 1 {
        record = meet(&record, &Event::Bound(binding(pool)));
        record = meet(&record, &report(GuestPhase::Listening));
    }
    record
}

/// A runner of the first pool that boots.
pub(crate) fn booting() -> Record {
    runner(0, &pool(0))
}

fn meet(record: &Record, event: &Event) -> Record {
    step(record, event, &Deadlines::default(), NOW).unwrap().record
}

fn binding(pool: &Pool) -> Binding {
    Binding {
        pool: pool.name.clone(),
        target: pool.target.clone(),
        labels: pool.labels.clone(),
        job: None,
        since: NOW,
    }
}

/// What a guest says that has come so far.
pub(crate) fn report(phase: GuestPhase) -> Event {
    let life =
        [GuestPhase::Preparing, GuestPhase::Ready, GuestPhase::Claimed, GuestPhase::Listening];
    let reached = life.into_iter().filter(|one| *one <= phase).map(|one| (one, NOW));
    Event::Reported(Box::new(GuestReport {
        seq: if phase == GuestPhase::Listening { 4 } else { 2 },
        phase,
        reached: reached.collect(),
        exit_code: None,
        detail: None,
        oom_kills: 0,
        pre_job: Found::Absent,
        post_job: Found::Absent,
    }))
}

fn job(id: JobId, pool: usize) -> Job {
    let state = match id / 10 % 10 {
        0..5 => JobState::Queued,
        5 => JobState::InProgress,
        _ => JobState::Completed,
    };
    let begun = (state > JobState::Queued).then_some(NOW);
    let sighting = Sighting {
        id,
        run_id: id,
        run_attempt: 1,
        repository: format!("acme/repository-{pool}"),
        name: format!("job {id}"),
        workflow: Some("ci".to_owned()),
        labels: vec!["linux".to_owned(), "X64".to_owned(), format!("pool-{pool}")],
        state,
        runner: begun.map(|_| format!("other-{id}")),
        conclusion: (state == JobState::Completed).then(|| "success".to_owned()),
        created_at: Some(NOW),
        started_at: begun,
        completed_at: begun.filter(|_| state == JobState::Completed),
    };
    Job::new(&sighting, larm::model::DEFAULT_CONNECTION, Source::Webhook, NOW, NOW)
}
