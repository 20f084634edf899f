//! How a runner ended, and how long its instance is held for inspection afterwards.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Phase, PostJobStatus, Record, Removal};

/// The longest that an instance may be held: a week.
pub const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

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
    /// Not at all: somebody wants it gone.
    Off,
}

impl Ended {
    pub(super) fn by(removal: &Removal) -> Self {
        if removal.force { Self::Killed } else { Self::Idle }
    }
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
            Some(Hold::Until(until)) if self.phase == Phase::Deleting => Some(until),
            Some(Hold::Until(_) | Hold::For(_) | Hold::Off) | None => None,
        }
    }

    /// Whether its instance stays for now though its runner has ended.
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.collected && self.held_until().is_some_and(|until| now < until)
    }
}
