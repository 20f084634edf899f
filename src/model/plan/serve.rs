//! Who gets what: jobs first, then idle runners, then standbys.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::census::{Census, backing_off, later, unregistrable};
use super::{Farm, Move, Plan, Waiting, fits, is_queued, is_target, lacking};
use crate::model::{
    Binding, Cost, Handover, Job, JobId, Phase, Pool, Purpose, Record, RunnerId, Unregistrable,
    committed,
};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// How long a job waits for room before younger ones of the same priority stand back.
const LONG_WAIT: SignedDuration = SignedDuration::from_mins(2);

/// A plan in the making, and what is left to give.
pub(super) struct Server<'a> {
    pub(super) farm: Farm<'a>,
    pub(super) census: &'a Census<'a>,
    pub(super) plan: Plan,
    /// Idle runners of each pool that no job needs.
    pub(super) spare: BTreeMap<&'a str, Vec<&'a Record>>,
    /// The farm's instances without a pool that nobody has claimed.
    pub(super) free: Vec<&'a Record>,
    /// Those of an image before the one that is used now.
    pub(super) old: Vec<&'a Record>,
    /// Pools by priority, the cheapest of each first.
    pools: Vec<&'a Arc<Pool>>,
    /// How many more runners each pool may have.
    seats: BTreeMap<&'a str, usize>,
    /// What keeps a pool from getting instances or registrations now: looked up once.
    backing_off: BTreeMap<&'a str, (Timestamp, String)>,
    unregistrable: BTreeMap<&'a str, &'a Unregistrable>,
    /// What of the host is not promised yet.
    left: Cost,
    /// What of that is kept for jobs that have waited for long.
    kept: Cost,
    runners_left: usize,
    creations_left: usize,
    /// Pools for which a job waits because the host is full.
    pub(super) starved: Vec<&'a Arc<Pool>>,
    /// The priority of the most important job that waits for room: less important ones do not take
    /// what comes free for it.
    room_is_for: Option<i32>,
    /// Who has the places of each pool, looked up once.
    holders: BTreeMap<&'a str, Arc<[RunnerId]>>,
}

/// What the pools of one shape of instance want of standbys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a> {
    /// One of the pools.
    pub(super) pool: &'a Arc<Pool>,
    /// How many there are to be.
    pub(super) standby: usize,
    /// How many of them are to be frozen.
    pub(super) frozen: usize,
}

/// Why a pool cannot have one more instance now.
type Refusal = Waiting;

impl<'a> Server<'a> {
    pub(super) fn new(farm: Farm<'a>, census: &'a Census<'a>) -> Self {
        let mut pools: Vec<_> = farm.pools.iter().collect();
        pools.sort_by_key(|pool| {
            let cost = Cost::of(&pool.spec);
            (std::cmp::Reverse(pool.priority), cost.memory, cost.cpus, pool.name.as_str())
        });
        let there = farm.records.values().filter(|record| record.phase < Phase::Gone).count();
        let made = farm.records.values().map(|record| record.created_at());
        let young: Vec<Timestamp> = made.filter(|at| later(*at, MINUTE) > farm.now).collect();
        let mut server = Self {
            farm,
            census,
            plan: Plan::default(),
            spare: census.idle.clone(),
            free: census.free.clone(),
            old: census.old.clone(),
            seats: pools.iter().map(|pool| (pool.name.as_str(), seats(pool, census))).collect(),
            backing_off: gather(&pools, |pool| backing_off(farm, &pool.spec)),
            unregistrable: gather(&pools, |pool| unregistrable(farm, pool)),
            pools,
            left: farm.budget.host.minus(committed(farm.records.values().map(Arc::as_ref))),
            kept: Cost::default(),
            runners_left: farm.budget.runners.map_or(usize::MAX, |most| most.saturating_sub(there)),
            creations_left: farm.budget.creations_per_minute.saturating_sub(young.len()),
            starved: Vec::new(),
            room_is_for: None,
            holders: BTreeMap::new(),
        };
        for at in &census.look_again {
            server.look_again(*at);
        }
        if let Some(oldest) = young.into_iter().min().filter(|_| server.creations_left == 0) {
            server.look_again(later(oldest, MINUTE));
        }
        server
    }

    /// Gives each queued job the best there is for it.
    pub(super) fn serve_jobs(&mut self) {
        let jobs = self.farm.jobs.values().map(AsRef::as_ref);
        let mut jobs: Vec<&Job> = jobs.filter(|job| is_queued(job)).collect();
        let priority = |job: &Job| self.pools.iter().position(|pool| fits(pool, job));
        jobs.sort_by_cached_key(|job| {
            let rank = priority(job).and_then(|place| self.pools.get(place));
            (std::cmp::Reverse(rank.map(|pool| pool.priority)), job.queued_at, job.id)
        });
        for job in jobs {
            let waiting = self.serve(job);
            self.plan.waiting.insert(job.id, waiting);
        }
    }

    fn serve(&mut self, job: &Job) -> Waiting {
        if let Some(record) = self.census.covered.get(&job.id) {
            return Waiting::Taken { by: record.id().clone() };
        }
        let fitting: Vec<_> = self.pools.iter().copied().filter(|pool| fits(pool, job)).collect();
        let taken = fitting.iter().find_map(|pool| self.take_idle(pool));
        if let Some(waiting) = taken {
            return waiting;
        }
        if let Some(waiting) = self.give(&fitting, job.id) {
            return waiting;
        }
        let mut refusals = Vec::new();
        for pool in &fitting {
            match self.create(pool, Purpose::Awaited) {
                Ok(()) => return Waiting::Coming { pool: pool.name.clone(), runner: None },
                Err(refusal) => refusals.push((*pool, refusal)),
            }
        }
        let full = refusals.iter().find(|(_, why)| matches!(why, Waiting::HostFull { .. }));
        // Where only too many were made lately there is room.
        let waits_for_room =
            |pool: &Pool| self.can_ever_hold(pool) && self.is_starved(pool, 0, Cost::default());
        if let Some((pool, _)) = full.filter(|(pool, _)| waits_for_room(pool)) {
            self.starve(pool, job);
        }
        match refusals.into_iter().next() {
            Some((_, why)) => why,
            None => self.nobody(job),
        }
    }

    /// A job waits for room. What it needs is kept for it from less important ones at once, and
    /// from any once it has waited for long: small jobs would take each bit that comes free.
    fn starve(&mut self, pool: &'a Arc<Pool>, job: &Job) {
        self.starved.push(pool);
        self.room_is_for = self.room_is_for.max(Some(pool.priority));
        if job.waited(self.farm.now) >= LONG_WAIT {
            self.kept = self.kept.plus(Cost::of(&pool.spec));
        }
    }

    fn can_ever_hold(&self, pool: &Pool) -> bool {
        let budget = self.farm.budget;
        budget.runners != Some(0) && budget.host.lacks(Cost::of(&pool.spec)).is_none()
    }

    fn nobody(&self, job: &Job) -> Waiting {
        let near = self.pools.iter().filter(|pool| is_target(pool, job));
        Waiting::NoPool {
            lacking: near.map(|pool| (pool.name.clone(), lacking(pool, job))).collect(),
        }
    }

    /// An instance without a pool: one that is ready, be it of an older image, before one that comes.
    fn give(&mut self, fitting: &[&Arc<Pool>], job: JobId) -> Option<Waiting> {
        let is_ready = |record: &Record| record.phase == Phase::Standby;
        let new = fitting.iter().find_map(|pool| self.take_free(pool, Some(job), is_ready));
        let ready = new.or_else(|| fitting.iter().find_map(|pool| self.take_old(pool, job)));
        ready.or_else(|| fitting.iter().find_map(|pool| self.take_free(pool, Some(job), |_| true)))
    }

    fn take_idle(&mut self, pool: &Pool) -> Option<Waiting> {
        let idle = self.spare.get_mut(pool.name.as_str())?;
        // Those that have come farthest serve first.
        let best = idle.iter().enumerate().max_by_key(|(_, record)| record.phase)?.0;
        let record = idle.swap_remove(best);
        let (pool, runner) = (pool.name.clone(), record.id().clone());
        Some(if record.phase == Phase::Listening {
            Waiting::Idle { pool, runner }
        } else {
            Waiting::Coming { pool, runner: Some(runner) }
        })
    }

    /// Claims an instance that has no pool yet, and registers it if it is ready.
    fn take_free(
        &mut self,
        pool: &Arc<Pool>,
        job: Option<JobId>,
        is: impl Fn(&Record) -> bool,
    ) -> Option<Waiting> {
        if !self.may_have_more(pool) {
            return None;
        }
        let fits = |record: &&Record| record.spec.same_shape(&pool.spec) && is(record);
        let place = self.free.iter().position(fits)?;
        let record = self.free.remove(place);
        Some(self.claim(record, pool, job))
    }

    /// Claims one of an older image, for a job that would have to wait for one of the new.
    fn take_old(&mut self, pool: &Arc<Pool>, job: JobId) -> Option<Waiting> {
        if !self.may_have_more(pool) {
            return None;
        }
        let place = self.old.iter().position(|record| record.spec.same_but_image(&pool.spec))?;
        let record = self.old.remove(place);
        Some(self.claim(record, pool, Some(job)))
    }

    fn may_have_more(&self, pool: &Pool) -> bool {
        let seat = self.seats.get(pool.name.as_str()).is_some_and(|seats| *seats > 0);
        seat && !self.unregistrable.contains_key(pool.name.as_str())
    }

    fn claim(&mut self, record: &Record, pool: &Arc<Pool>, job: Option<JobId>) -> Waiting {
        self.take_seat(pool);
        let runner = record.id().clone();
        if record.phase == Phase::Standby && record.handover == Handover::None {
            let binding = Binding {
                pool: pool.name.clone(),
                target: pool.target.clone(),
                labels: pool.labels.clone(),
                job,
                since: self.farm.now,
            };
            self.plan.moves.push(Move::Bind { runner: runner.clone(), binding });
        }
        Waiting::Coming { pool: pool.name.clone(), runner: Some(runner) }
    }

    /// Keeps as many runners registered and waiting as each pool wants.
    pub(super) fn serve_pools(&mut self) {
        for pool in self.pools.clone() {
            let there = self.spare.get(pool.name.as_str()).map_or(0, Vec::len);
            for _ in there..pool.min_idle {
                let served = self.take_free(pool, None, |_| true).is_some()
                    || (self.starved.is_empty() && self.create(pool, Purpose::Spare).is_ok());
                if !served {
                    break;
                }
            }
        }
    }

    /// Keeps as many instances booted as the pools of each shape want.
    pub(super) fn serve_standbys(&mut self) {
        for Shape { pool, standby, .. } in self.shapes() {
            let there = self.free.iter().filter(|one| one.spec.same_shape(&pool.spec)).count();
            for _ in there..standby {
                // They belong to no pool, so that no pool has to have a place.
                if !self.starved.is_empty() || self.make(pool, Purpose::Spare).is_err() {
                    break;
                }
            }
        }
    }

    /// One pool of each shape, with the greatest wishes for standbys.
    pub(super) fn shapes(&self) -> Vec<Shape<'a>> {
        let mut shapes: Vec<Shape<'a>> = Vec::new();
        for pool in &self.pools {
            let known = shapes.iter_mut().find(|one| one.pool.spec.same_shape(&pool.spec));
            let Some(shape) = known else {
                shapes.push(Shape { pool, standby: pool.standby, frozen: pool.frozen });
                continue;
            };
            shape.standby = pool.standby.max(shape.standby);
            shape.frozen = pool.frozen.max(shape.frozen);
        }
        shapes
    }

    /// Orders an instance that is to become a runner of this pool.
    fn create(&mut self, pool: &'a Arc<Pool>, purpose: Purpose) -> Result<(), Refusal> {
        if self.seats.get(pool.name.as_str()).is_none_or(|seats| *seats == 0) {
            return Err(Waiting::PoolFull {
                pool: pool.name.clone(),
                max: pool.max,
                held_by: self.holders(pool),
            });
        }
        if let Some(refused) = self.unregistrable.get(pool.name.as_str()) {
            let (until, error) = (refused.until, refused.error.clone());
            self.look_again(until);
            return Err(Waiting::Unregistrable { pool: pool.name.clone(), until, error });
        }
        self.make(pool, purpose)?;
        self.take_seat(pool);
        Ok(())
    }

    fn make(&mut self, pool: &Arc<Pool>, purpose: Purpose) -> Result<(), Refusal> {
        if let Some((until, error)) = self.backing_off.get(pool.name.as_str()).cloned() {
            self.look_again(until);
            return Err(Waiting::BackingOff { pool: pool.name.clone(), until, error });
        }
        let cost = Cost::of(&pool.spec);
        if self.room_is_for.is_some_and(|priority| pool.priority < priority) {
            let lacking = "what comes free is for a job of higher priority".to_owned();
            return Err(Waiting::HostFull { pool: pool.name.clone(), lacking });
        }
        if let Some(lacking) = self.lacking(cost) {
            return Err(Waiting::HostFull { pool: pool.name.clone(), lacking });
        }
        self.left = self.left.minus(cost);
        self.runners_left -= 1;
        self.creations_left -= 1;
        self.plan.moves.push(Move::Create { spec: pool.spec.clone(), purpose });
        Ok(())
    }

    fn lacking(&self, cost: Cost) -> Option<String> {
        if self.runners_left == 0 {
            let most = self.farm.budget.runners.unwrap_or_default();
            return Some(format!("the {most} runners that there may be are there"));
        }
        if let Some((what, _, there)) = self.farm.budget.host.lacks(cost) {
            return Some(format!(
                "it needs more {what} than runners ever get here ({})",
                of(what, there)
            ));
        }
        if let Some((what, wanted, there)) = self.left.minus(self.kept).lacks(cost) {
            let (wanted, there) = (of(what, wanted), of(what, there));
            return Some(format!("{wanted} of {what} are wanted, {there} are left"));
        }
        let most = self.farm.budget.creations_per_minute;
        (self.creations_left == 0).then(|| format!("{most} were made in the last minute"))
    }

    fn holders(&mut self, pool: &'a Pool) -> Arc<[RunnerId]> {
        let name = pool.name.as_str();
        if let Some(known) = self.holders.get(name) {
            return Arc::clone(known);
        }
        let places = [self.census.held.get(name), self.census.idle.get(name)];
        let holders = places.into_iter().flatten().flatten();
        let mut holders: Vec<_> = holders.map(|record| record.id().clone()).collect();
        holders.sort();
        let holders: Arc<[RunnerId]> = holders.into();
        self.holders.insert(name, Arc::clone(&holders));
        holders
    }

    fn take_seat(&mut self, pool: &Pool) {
        if let Some(seats) = self.seats.get_mut(pool.name.as_str()) {
            *seats = seats.saturating_sub(1);
        }
    }

    pub(super) fn look_again(&mut self, at: Timestamp) {
        self.plan.look_again = Some(self.plan.look_again.map_or(at, |before| before.min(at)));
    }

    /// Whether there is no room for an instance even once so many others, who take up so much, are
    /// gone.
    pub(super) fn is_starved(&self, pool: &Pool, count: usize, freed: Cost) -> bool {
        let no_place = self.runners_left.saturating_add(count) == 0;
        no_place || self.left.plus(freed).lacks(Cost::of(&pool.spec)).is_some()
    }
}

fn gather<'a, T>(
    pools: &[&'a Arc<Pool>],
    look_up: impl Fn(&Pool) -> Option<T>,
) -> BTreeMap<&'a str, T> {
    pools.iter().filter_map(|pool| Some((pool.name.as_str(), look_up(pool)?))).collect()
}

/// How many more runners a pool may have.
fn seats(pool: &Pool, census: &Census<'_>) -> usize {
    let there =
        |places: &BTreeMap<&str, Vec<&Record>>| places.get(pool.name.as_str()).map_or(0, Vec::len);
    pool.max.saturating_sub(there(&census.held) + there(&census.idle))
}

/// So much of it: CPUs are counted, the rest is in bytes.
fn of(what: &str, amount: u64) -> String {
    if what == "CPUs" { amount.to_string() } else { format!("{} MiB", amount >> 20) }
}
