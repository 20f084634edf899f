//! A farm that lives: jobs come, runners boot, take whatever GitHub gives them, and end; news of
//! jobs comes late. After every plan the promises hold, and in the end every job was done.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::super::{Move, fits};
use super::{Scene, at, job, pool, spec};
use crate::model::{
    Cost, Event, Frost, GuestPhase, JobId, JobState, Phase, Pool, Quiesced, RunnerId, committed,
};

const REPOSITORIES: [&str; 2] = ["acme/web", "acme/api"];
const LABELS: [&str; 3] = ["a", "b", "c"];

/// What really is, as GitHub has it.
#[derive(Debug, Default)]
struct GitHub {
    /// Who has a job.
    has: BTreeMap<RunnerId, JobId>,
    /// What is known and larm has not heard yet: when it hears of it.
    news: Vec<(i64, JobId, JobState, Option<String>)>,
    ends: BTreeMap<JobId, i64>,
}

struct World {
    scene: Scene,
    github: GitHub,
    seconds: i64,
    lag: i64,
    created: usize,
    retired: usize,
}

fn pools() -> impl Strategy<Value = Vec<Pool>> {
    let standbys = (0..3usize, 0..3usize);
    let one = (0..2usize, 1..8u8, 1..4u64, 0..2usize, standbys, 1..4usize, 0..2i32);
    prop::collection::vec(one, 1..4).prop_map(|pools| {
        let numbered = pools.into_iter().enumerate();
        let make = numbered.map(|(n, (target, labels, gib, min_idle, standbys, max, priority))| {
            let path = ["acme/web", "acme"][target];
            let labels: Vec<&str> =
                (0..3).filter(|n| labels >> n & 1 == 1).map(|n: usize| LABELS[n]).collect();
            let mut pool = pool(&format!("p{n}"), path, &labels);
            pool.spec = spec(&pool.name, gib);
            let (standby, frozen) = standbys;
            (pool.min_idle, pool.standby, pool.max) = (min_idle.min(max), standby, max);
            pool.frozen = frozen.min(standby);
            pool.priority = priority;
            pool
        });
        make.collect()
    })
}

impl World {
    fn new(pools: Vec<Pool>, gib: u64, lag: i64) -> Self {
        let mut scene = Scene::new(pools);
        scene.budget.host = Cost { cpus: 1000, memory: gib << 30, disk: u64::MAX };
        let github = GitHub::default();
        Self { scene, github, seconds: 0, lag, created: 0, retired: 0 }
    }

    fn queue(&mut self, id: JobId, repository: usize, label: usize) {
        let mut job = job(id, REPOSITORIES[repository], &[LABELS[label]]);
        (job.queued_at, job.heard_at, job.confirmed_at) =
            (self.scene.now, self.scene.now, self.scene.now);
        self.scene.queue(job);
    }

    /// Plans until there is nothing more to do now.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 20, "the plan never rests");
            let plan = self.scene.plan();
            if plan.moves.is_empty() {
                return;
            }
            for one in plan.moves {
                self.carry_out(one);
            }
            self.check();
        }
    }

    fn carry_out(&mut self, one: Move) {
        match one {
            Move::Create { spec, .. } => {
                self.created += 1;
                self.scene.create(&spec);
            }
            Move::Release { runner } => self.scene.meet(&runner, &Event::Released),
            Move::Freeze { runner } => self.scene.meet(&runner, &Event::FreezeWanted),
            Move::Thaw { runner } => self.scene.meet(&runner, &Event::ThawWanted),
            Move::Bind { runner, binding } => self.scene.meet(&runner, &Event::Bound(binding)),
            Move::Retire { runner, reason, .. } => {
                self.retired += 1;
                assert!(self.scene.records[&runner].phase < Phase::Busy, "a busy one is retired");
                self.scene.meet(&runner, &Event::RemovalWanted { force: false, reason });
            }
        }
    }

    /// What holds at any time.
    fn check(&self) {
        let there = committed(self.scene.records.values().map(AsRef::as_ref));
        assert!(self.scene.budget.host.lacks(there).is_none(), "over the budget: {there:?}");
        for pool in &self.scene.pools {
            let mine = self.scene.records.values().filter(|one| {
                one.phase <= Phase::Busy
                    && one.binding.as_ref().is_some_and(|b| b.pool == pool.name)
            });
            assert!(mine.count() <= pool.max, "more than max in {}", pool.name);
        }
    }

    /// Some seconds go by, in which everybody does what is to be done.
    fn live(&mut self, seconds: i64) {
        self.seconds += seconds;
        self.scene.now = at(self.seconds);
        let ids: Vec<_> = self.scene.records.keys().cloned().collect();
        for id in ids {
            self.advance(&id);
        }
        self.hear();
        self.settle();
    }

    fn advance(&mut self, id: &RunnerId) {
        let record = self.scene.records[id].clone();
        if record.removal.is_some() {
            let busy = self.github.has.contains_key(id);
            let outcome = if busy { Quiesced::Busy } else { Quiesced::Stopped };
            self.scene.meet(id, &Event::Quiesced(outcome));
            return;
        }
        match record.frost {
            Frost::Wanted => return self.scene.meet(id, &Event::Froze),
            Frost::Thawing => return self.scene.meet(id, &Event::Thawed(SignedDuration::ZERO)),
            Frost::None | Frost::Frozen => {}
        }
        match record.phase {
            Phase::Planned => self.scene.meet(id, &Event::Admitted),
            Phase::Creating => {
                self.scene.meet(id, &Event::Created(SignedDuration::ZERO));
                self.scene.meet(id, &Event::Started(SignedDuration::ZERO));
            }
            Phase::Booting => self.scene.guest(id, GuestPhase::Ready),
            Phase::Standby if record.binding.is_some() => {
                self.scene.guest(id, GuestPhase::Listening);
            }
            Phase::Listening => self.assign(id),
            Phase::Busy if self.github.ends[&self.github.has[id]] <= self.seconds => self.end(id),
            Phase::Finished | Phase::Failed | Phase::Deleting => {
                self.scene.meet(id, &Event::Collected(None));
                self.scene.meet(id, &Event::Removed);
            }
            Phase::Standby | Phase::Busy | Phase::Gone => {}
        }
    }

    /// GitHub gives any job that fits.
    fn assign(&mut self, id: &RunnerId) {
        let record = &self.scene.records[id];
        let binding = record.binding.as_ref().unwrap();
        let pool = self.scene.pools.iter().find(|pool| pool.name == binding.pool).unwrap();
        let taken = |job: &JobId| self.github.ends.contains_key(job);
        let jobs = self.scene.jobs.values();
        let mut open = jobs.filter(|job| fits(pool, job) && !taken(&job.id));
        let Some(job) = open.next_back().map(|job| job.id) else { return };
        let name = record.name.to_string();
        self.github.has.insert(id.clone(), job);
        self.github.ends.insert(job, self.seconds + 20);
        self.github.news.push((self.seconds + self.lag, job, JobState::InProgress, Some(name)));
        self.scene.guest(id, GuestPhase::Busy);
    }

    fn end(&mut self, id: &RunnerId) {
        let job = self.github.has[id];
        let name = self.scene.records[id].name.to_string();
        self.github.news.push((self.seconds + self.lag, job, JobState::Completed, Some(name)));
        self.scene.guest(id, GuestPhase::Finished);
    }

    fn hear(&mut self) {
        let now = self.seconds;
        let (heard, later): (Vec<_>, Vec<_>) =
            self.github.news.drain(..).partition(|(when, ..)| *when <= now);
        self.github.news = later;
        for (_, id, state, runner) in heard {
            let job = self.scene.job(id);
            job.state = job.state.max(state);
            job.runner = runner;
            job.confirmed_at = at(now);
        }
    }

    fn served(&self, id: JobId) -> bool {
        self.github.ends.contains_key(&id)
    }

    /// Whether any pool could ever serve the job.
    fn can_be_served(&self, id: JobId) -> bool {
        let job = &self.scene.jobs[&id];
        self.scene.pools.iter().any(|pool| {
            fits(pool, job) && self.scene.budget.host.lacks(Cost::of(&pool.spec)).is_none()
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_farm_keeps_its_promises(
        pools in pools(),
        jobs in prop::collection::vec((0..2usize, 0..3usize, 0..40i64), 0..20),
        gib in 1..12u64,
        lag in 0..14i64,
    ) {
        let mut world = World::new(pools, gib, lag);
        for (id, (repository, label, pause)) in (1..).zip(&jobs) {
            world.queue(id, *repository, *label);
            world.settle();
            world.live(*pause);
        }
        for _ in 0..400 {
            world.live(5);
        }
        for (id, _) in (1..).zip(&jobs) {
            prop_assert!(world.served(id) || !world.can_be_served(id), "job {id} was not served");
        }
        // Nothing is left to do, and nothing is done for nothing.
        let (created, retired) = (world.created, world.retired);
        for _ in 0..100 {
            world.live(5);
        }
        prop_assert_eq!((world.created, world.retired), (created, retired), "the farm flaps");
        let idle: usize = world.scene.pools.iter().map(|pool| pool.min_idle).sum();
        let standby: usize = world.scene.pools.iter().map(|pool| pool.standby).sum();
        let live = world.scene.records.values().filter(|one| one.phase <= Phase::Busy).count();
        prop_assert!(live <= idle + standby, "{live} are left");
        prop_assert!(created <= jobs.len() + idle + standby + retired, "{created} were made");
    }
}
