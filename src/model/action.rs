//! Everything larm can decide to do, and what a record says is still to be done.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::application::installing;
use super::{Frost, Handover, Phase, Record};

/// Everything larm can decide to do to one runner. All are safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Make the instance.
    Create,
    /// Start the instance.
    Start,
    /// Push the runner application. Others do not wait for it, and it is broken off when it is of
    /// no use any more ([`super::is_install_over`]).
    Install,
    /// Freeze the instance, which nobody needs at the moment.
    Freeze,
    /// Thaw the instance, and put the clock of its guest right.
    Thaw,
    /// Push the credential.
    HandOver,
    /// End the listener inside the guest: only if no job runs, or with `force` in any case.
    Quiesce {
        /// Whether a running job may be killed.
        force: bool,
    },
    /// Read the guest's last report, and with `logs` keep its logs.
    Collect {
        /// Whether to keep its logs: it did not end well.
        logs: bool,
    },
    /// Stop and delete the instance, and see that it is gone.
    Remove,
    /// Ask LXD for the instance's state.
    Inspect,
    /// Ask the guest for its health.
    Probe,
}

impl Action {
    /// Whether it only looks. Others change something, and a runner has one of them under way at
    /// most, not counting [`Action::Install`].
    pub fn is_query(self) -> bool {
        matches!(self, Self::Inspect | Self::Probe)
    }
}

/// What the record says is to be done next, if anything is.
///
/// It follows from the record alone, so that a manager that starts again goes on where the last
/// one stopped.
pub fn pending(record: &Record, now: Timestamp) -> Option<Action> {
    if record.retry.as_ref().is_some_and(|retry| now < retry.at) {
        return None;
    }
    match record.phase {
        Phase::Planned | Phase::Gone => None,
        Phase::Creating if record.made => Some(Action::Start),
        Phase::Creating => Some(Action::Create),
        // A frozen guest can be asked nothing.
        Phase::Booting | Phase::Standby | Phase::Listening | Phase::Busy
            if record.frost != Frost::None =>
        {
            let forced = record.removal.as_ref().is_some_and(|removal| removal.force);
            if forced { removing(record) } else { frosting(record) }
        }
        Phase::Standby => removing(record).or_else(|| handing_over(record)),
        Phase::Booting => removing(record).or_else(|| installing(record)),
        Phase::Listening | Phase::Busy => removing(record),
        Phase::Deleting if record.collected => (!record.is_held(now)).then_some(Action::Remove),
        Phase::Finished | Phase::Failed | Phase::Deleting => Some(collect(record)),
    }
}

/// Whether a watch is to be armed in the runner's guest.
pub fn is_watched(record: &Record) -> bool {
    matches!(record.phase, Phase::Booting | Phase::Standby | Phase::Listening | Phase::Busy)
}

fn removing(record: &Record) -> Option<Action> {
    record.removal.as_ref().map(|removal| Action::Quiesce { force: removal.force })
}

fn frosting(record: &Record) -> Option<Action> {
    match record.frost {
        Frost::Wanted => Some(Action::Freeze),
        Frost::Thawing => Some(Action::Thaw),
        Frost::None | Frost::Frozen => None,
    }
}

fn handing_over(record: &Record) -> Option<Action> {
    (record.handover == Handover::Pushing).then_some(Action::HandOver)
}

fn collect(record: &Record) -> Action {
    // A hook's file that is not what it should be is evidence.
    Action::Collect { logs: record.ended_badly() || !record.corrupt.is_empty() }
}
