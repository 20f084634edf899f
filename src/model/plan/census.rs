//! Who is there, from the pools' point of view.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Farm, fits, is_queued};
use crate::model::{
    Binding, Frost, Handover, Job, JobId, JobState, Phase, Pool, Record, Spec, Unregistrable,
};

/// GitHub's lists lag behind: what they said of a job so shortly before a runner got busy says
/// nothing of whether the runner has it.
const LIST_LAG: SignedDuration = SignedDuration::from_secs(15);
/// How long a runner that has ended counts for a job of which GitHub has said nothing: the news that
/// it has ended may be lost.
const NEWS_OF_END: SignedDuration = SignedDuration::from_mins(2);
/// How long a runner that is registered and in no pool is given for GitHub to tell where.
const UNKNOWN_POOL_GRACE: SignedDuration = SignedDuration::from_mins(2);
/// A listener that has lived for so long is of use.
const LASTING: SignedDuration = SignedDuration::from_mins(1);
/// The pause after the first failed creation; doubled with each that follows.
const FIRST_BACKOFF: SignedDuration = SignedDuration::from_secs(5);
/// The longest pause after failed creations.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_mins(5);

/// Who is there.
#[derive(Debug, Default)]
pub(super) struct Census<'a> {
    /// Runners of each pool that wait for a job or will.
    pub(super) idle: BTreeMap<&'a str, Vec<&'a Record>>,
    /// How many places of each pool are taken by those that are of no use for new jobs.
    pub(super) held: BTreeMap<&'a str, Vec<&'a Record>>,
    /// The farm's instances without a pool, in the order in which they serve: warm standbys, frozen
    /// ones, then those that have come farthest.
    pub(super) free: Vec<&'a Record>,
    /// Those of them that are ready and whose image is not the one that its alias names now: they
    /// serve until there are others.
    pub(super) old: Vec<&'a Record>,
    /// Those with no job that are not what a pool makes now.
    pub(super) outdated: Vec<&'a Record>,
    /// Jobs that a busy runner probably has.
    pub(super) covered: BTreeMap<JobId, &'a Record>,
    /// Runners that have a job, as GitHub says; the bell of some may not have been heard yet.
    named: BTreeSet<&'a str>,
    /// When that is to be looked at again.
    pub(super) look_again: Vec<Timestamp>,
}

impl<'a> Census<'a> {
    pub(super) fn take(farm: Farm<'a>) -> Self {
        let mut census = Self::default();
        let named = farm.jobs.values().filter(|job| job.state == JobState::InProgress);
        census.named = named.filter_map(|job| job.runner.as_deref()).collect();
        for record in farm.records.values().filter(|record| record.phase <= Phase::Busy) {
            census.count(farm, record);
        }
        for waiting in [&mut census.free, &mut census.old] {
            waiting.sort_by_key(|record| {
                (coldness(record), std::cmp::Reverse(record.phase), record.created_at())
            });
        }
        census.cover(farm);
        census
    }

    fn count(&mut self, farm: Farm<'a>, record: &'a Record) {
        let pool = farm.pools.iter().find(|pool| pool.name == record.pool());
        let Some(binding) = &record.binding else {
            if record.is_of_farm() && record.handover == Handover::None {
                self.count_free(farm, record);
            } else if record.is_of_farm() {
                self.count_unknown(farm, record);
            }
            return;
        };
        let makes = |pool: &Pool| {
            pool.spec.same_shape(&record.spec)
                || (pool.spec.same_but_image(&record.spec) && is_awaited(farm, pool, binding))
        };
        let current = pool.is_some_and(|pool| pool.still_makes(binding) && makes(pool))
            && !is_doomed(farm, record);
        let has_job =
            !self.named.is_empty() && self.named.contains(record.name.to_string().as_str());
        let waits = record.phase < Phase::Busy && record.removal.is_none() && !has_job;
        match (current && waits, record.phase) {
            (true, _) => self.idle.entry(&binding.pool).or_default().push(record),
            (false, Phase::Busy) => self.held.entry(&binding.pool).or_default().push(record),
            (false, _) => {
                self.held.entry(&binding.pool).or_default().push(record);
                if !current && !has_job {
                    self.outdated.push(record);
                }
            }
        }
    }

    fn count_free(&mut self, farm: Farm<'a>, record: &'a Record) {
        let wanted = farm.pools.iter().any(|pool| pool.spec.same_shape(&record.spec));
        if record.removal.is_some() {
            return;
        }
        let until = frozen_until(farm, record);
        let too_long = until.is_some_and(|until| until <= farm.now);
        let alike = farm.pools.iter().any(|pool| pool.spec.same_but_image(&record.spec));
        if is_doomed(farm, record) || too_long {
            self.outdated.push(record);
        } else if wanted {
            self.look_again.extend(until);
            self.free.push(record);
        } else if alike && record.phase == Phase::Standby {
            self.look_again.extend(until);
            self.old.push(record);
        } else {
            self.outdated.push(record);
        }
    }

    /// It has a credential and no record says for which pool: the store was lost. GitHub's list
    /// tells soon.
    fn count_unknown(&mut self, farm: Farm<'a>, record: &'a Record) {
        let since = record.marks.0.values().max().copied().unwrap_or(farm.now);
        let waited = farm.now.duration_since(since) >= UNKNOWN_POOL_GRACE;
        if waited && farm.lists_are_complete && record.phase < Phase::Busy {
            self.outdated.push(record);
        }
    }

    /// A runner is heard to be busy before GitHub tells with what. Until GitHub has been heard
    /// again, it has the oldest job that fits it.
    fn cover(&mut self, farm: Farm<'a>) {
        let known: BTreeSet<&str> =
            farm.jobs.values().filter_map(|job| job.runner.as_deref()).collect();
        for record in farm.records.values() {
            let Some(busy) = record.marks.0.get(&Phase::Busy) else { continue };
            if until_forgotten(record).is_some_and(|at| at <= farm.now) {
                continue;
            }
            let named = record.name.to_string();
            if known.contains(named.as_str()) {
                continue;
            }
            if let Some(job) = self.probable_job(farm, record, *busy) {
                self.covered.insert(job.id, record);
                self.look_again.extend(until_forgotten(record));
            }
        }
    }

    fn probable_job(&self, farm: Farm<'a>, record: &'a Record, busy: Timestamp) -> Option<&'a Job> {
        let pool = farm.pools.iter().find(|pool| pool.name == record.pool())?;
        let heard_before = |job: &&Job| job.confirmed_at < later(busy, LIST_LAG);
        let open = |job: &&Job| is_queued(job) && !self.covered.contains_key(&job.id);
        let run = record.metrics.pre_job.as_ref().and_then(|job| job.workflow_run_id.parse().ok());
        farm.jobs
            .values()
            .map(AsRef::as_ref)
            .filter(|job| open(job) && heard_before(job) && fits(pool, job))
            .min_by_key(|job| (run != Some(job.run_id), job.queued_at, job.id))
    }
}

/// Until when it may stay frozen.
pub(super) fn frozen_until(farm: Farm<'_>, record: &Record) -> Option<Timestamp> {
    let pool = farm.pools.iter().find(|pool| pool.spec.same_shape(&record.spec))?;
    record.frozen_until(pool.lifetime)
}

/// The smaller, the sooner it can take a job.
fn coldness(record: &Record) -> u8 {
    if record.phase < Phase::Standby {
        return 3;
    }
    match record.frost {
        Frost::None => 0,
        Frost::Thawing => 1,
        Frost::Wanted | Frost::Frozen => 2,
    }
}

/// Whether a runner that was wanted for a job is wanted for one still: GitHub may have given its own
/// to another, and be about to give it one that waits.
fn is_awaited(farm: Farm<'_>, pool: &Pool, binding: &Binding) -> bool {
    binding.job.is_some() && farm.jobs.values().any(|job| is_queued(job) && fits(pool, job))
}

/// Until when a runner that has ended counts for a job.
fn until_forgotten(record: &Record) -> Option<Timestamp> {
    let after = record.marks.0.iter().filter(|(phase, _)| **phase > Phase::Busy);
    after.map(|(_, at)| later(*at, NEWS_OF_END)).min()
}

/// Whether its application is of a version that GitHub gives no jobs any more.
pub(super) fn is_doomed(farm: Farm<'_>, record: &Record) -> bool {
    record.application_version.as_ref().is_some_and(|version| farm.doomed.contains(version))
}

/// Until when no more instances of a shape are made, because the last ones failed, and why.
pub(super) fn backing_off(farm: Farm<'_>, spec: &Spec) -> Option<(Timestamp, String)> {
    let mut ends: Vec<(Timestamp, Option<&str>)> = farm
        .records
        .values()
        .filter(|record| record.is_of_farm() && record.spec.same_shape(spec))
        // An image that was not there may be now.
        .filter(|record| record.spec.fingerprint == spec.fingerprint)
        .filter_map(|record| end(record, farm.now))
        .collect();
    ends.sort();
    let failures = ends.iter().rev().take_while(|(_, failure)| failure.is_some());
    let count = u32::try_from(failures.count()).unwrap_or(u32::MAX);
    let (at, failure) = ends.last().filter(|_| count > 0)?;
    let pause = FIRST_BACKOFF.saturating_mul(1 << (count - 1).min(10)).min(LONGEST_BACKOFF);
    let until = later(*at, pause);
    (until > farm.now).then(|| (until, failure.unwrap_or_default().to_owned()))
}

/// When it was seen whether instances of a shape are of use, and why not. One that is ready says
/// nothing yet: its listener may end as soon as it begins.
fn end(record: &Record, now: Timestamp) -> Option<(Timestamp, Option<&str>)> {
    let at = |phase| record.marks.0.get(&phase).copied();
    if let Some(busy) = at(Phase::Busy) {
        return Some((busy, None));
    }
    if let (Some(failure), Some(failed)) = (&record.failure, at(Phase::Failed)) {
        return Some((failed, Some(&failure.reason)));
    }
    let given = record.handed_over_at?;
    let ended = [Phase::Finished, Phase::Deleting].into_iter().find_map(at).unwrap_or(now);
    if later(given, LASTING) <= ended {
        return Some((later(given, LASTING), None));
    }
    at(Phase::Finished).map(|finished| (finished, Some("its listener ended at once")))
}

/// The latest word of GitHub that it registers no runner of this pool.
pub(super) fn unregistrable<'a>(farm: Farm<'a>, pool: &Pool) -> Option<&'a Unregistrable> {
    let said = farm.records.values().filter_map(|record| record.unregistrable.as_ref());
    said.filter(|one| one.target == pool.target && one.until > farm.now).max_by_key(|one| one.until)
}

pub(super) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
