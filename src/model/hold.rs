//! How a runner ended, and how long its instance is held for inspection afterwards.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Phase, PostJobStatus, Record, Removal, RunnerId};

/// The longest that an instance may be held: a week.
pub const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many runners of a pool are held at once because they failed.
pub const FAILED_HELD: usize = 2;

/// What the guest's script writes down for a listener that it has ended because it was told to.
const FLUSHED: i32 = 137;

/// How a runner was ended that somebody wanted to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// Its guest found it idle and ended it: nothing was lost.
    Idle,
    /// It was ended whatever it did.
    Killed,
}

/// How long an instance is held once its runner has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// For so long, counted from its end, which has not come.
    For(SignedDuration),
    /// Until then.
    Until(Timestamp),
    /// Until then as its runner failed and nobody asked: it gives way to jobs.
    Failed(Timestamp),
    /// Not at all: somebody wants it gone.
    Off,
}

impl Ended {
    pub(super) fn by(removal: &Removal) -> Self {
        if removal.force { Self::Killed } else { Self::Idle }
    }
}

/// Those that are held as failed beyond [`FAILED_HELD`] of each pool, the oldest.
pub fn surplus_holds<'a>(
    records: impl Iterator<Item = &'a Record>,
    now: Timestamp,
) -> Vec<&'a RunnerId> {
    let mut held: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records.filter(|record| record.is_held_as_failed(now)) {
        held.entry(record.pool()).or_default().push(record);
    }
    let surplus = |mut of_pool: Vec<&'a Record>| {
        of_pool.sort_by_key(|record| std::cmp::Reverse(record.since()));
        of_pool.into_iter().skip(FAILED_HELD).map(Record::id)
    };
    held.into_values().flat_map(surplus).collect()
}

impl Record {
    /// Whether somebody may want to know why it ended as it did: it failed, was killed, its job was
    /// refused or ran out of memory, or its listener ended with an error.
    pub fn ended_badly(&self) -> bool {
        let odd_code = self.exit_code.is_some_and(|code| match self.ended {
            Some(Ended::Idle) => code != 0 && code != FLUSHED,
            Some(Ended::Killed) | None => code != 0,
        });
        let refused = self.metrics.post_job.as_ref().is_some_and(|job| match job.status {
            PostJobStatus::RepoPolicyCheckFailure
            | PostJobStatus::ExternalContributorCheckFailure => true,
            PostJobStatus::Normal | PostJobStatus::Abnormal => false,
        });
        self.failure.is_some()
            || self.ended == Some(Ended::Killed)
            || self.oom_kills > 0
            || refused
            || odd_code
    }

    /// Until when its instance is held, if its end has come.
    pub fn held_until(&self) -> Option<Timestamp> {
        match self.hold {
            Some(Hold::Until(until) | Hold::Failed(until)) if self.phase == Phase::Deleting => {
                Some(until)
            }
            Some(Hold::Until(_) | Hold::Failed(_) | Hold::For(_) | Hold::Off) | None => None,
        }
    }

    /// Whether its instance stays for now though its runner has ended.
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.collected && self.held_until().is_some_and(|until| now < until)
    }

    /// Whether it is held though nobody asked for that.
    pub fn is_held_as_failed(&self, now: Timestamp) -> bool {
        self.is_held(now) && matches!(self.hold, Some(Hold::Failed(_)))
    }
}
