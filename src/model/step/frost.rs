//! Standbys that are frozen until they are needed.

use jiff::SignedDuration;

use super::draft::{Draft, later};
use super::{Fault, Phase, Refused};
use crate::model::{CloudRunnerState, Frost};

/// LXD's status of a frozen instance.
const FROZEN: i64 = 110;
/// How often LXD is asked to freeze one before that is left for a while.
const TRIES: u32 = 3;
/// How long one then stays warm.
const WARM: SignedDuration = SignedDuration::from_mins(30);

impl Draft<'_> {
    pub(super) fn freeze_wanted(&mut self) -> Result<(), Refused> {
        self.takes_credential()?;
        if self.record.phase != Phase::Standby {
            return Err(Refused::NotStandby);
        }
        if self.record.frost == Frost::None {
            self.set_frost(Frost::Wanted);
        }
        Ok(())
    }

    pub(super) fn thaw_wanted(&mut self) -> Result<(), Refused> {
        if self.record.phase != Phase::Standby {
            return Err(Refused::NotStandby);
        }
        self.thaw();
        Ok(())
    }

    /// It is needed. What is being frozen is thawed afterwards.
    pub(super) fn thaw(&mut self) {
        match self.record.frost {
            Frost::Wanted | Frost::Frozen => self.set_frost(Frost::Thawing),
            Frost::None | Frost::Thawing => {}
        }
    }

    /// The same for a job, which waits from now on.
    pub(super) fn thaw_for_use(&mut self) {
        self.thaw();
        if self.record.frost == Frost::Thawing {
            self.record.frost_since = Some(self.now);
        }
    }

    pub(super) fn froze(&mut self) {
        if self.record.frost == Frost::Wanted {
            self.set_frost(Frost::Frozen);
            self.note("frozen until it is needed".to_owned());
            self.judge();
        }
    }

    /// Whatever LXD does not like about it: one that is not frozen serves as well, and is looked at
    /// as any that runs. What was refused may have been done all the same, so that it is thawed.
    pub(super) fn freeze_failed(&mut self, fault: &Fault) {
        if self.record.frost != Frost::Wanted {
            return;
        }
        self.retry_after(&fault.message);
        if self.record.retry.as_ref().is_some_and(|retry| retry.attempts >= TRIES) {
            self.note(format!("it could not be frozen and stays warm: {}", fault.message));
            self.record.warm_until = Some(later(self.now, WARM));
            self.set_frost(Frost::Thawing);
        }
    }

    pub(super) fn thawed(&mut self, took: SignedDuration) {
        if self.record.frost == Frost::Thawing {
            self.lxd_worked(took);
            self.set_frost(Frost::None);
            self.note("thawed".to_owned());
            self.begin_hand_over();
        }
    }

    pub(super) fn thaw_failed(&mut self, fault: &Fault) {
        if self.record.frost != Frost::Thawing || !self.record.is_live() {
            return;
        }
        if fault.transient && !self.deadline_passed(self.record.phase) {
            self.retry_after(&fault.message);
        } else {
            self.give_up(&format!("it could not be thawed: {}", fault.message));
            if self.record.is_live() {
                self.retry_after(&fault.message);
            }
        }
    }

    /// LXD says that it is frozen: by us, or by somebody else.
    pub(super) fn seen_frozen(&mut self) {
        let ours = self.record.frost.is_cold();
        let state = CloudRunnerState::from_lxd(FROZEN, true, ours);
        if !ours {
            return self.seen(state);
        }
        self.record.state = state;
        self.record.trouble_since = None;
        self.judge();
    }

    /// LXD says that it runs. Where we froze it, somebody else has thawed it, or LXD's answer is
    /// older than the record; freezing it once more is right in both cases.
    pub(super) fn seen_running(&mut self) {
        if self.record.frost == Frost::Frozen {
            self.set_frost(Frost::Wanted);
            self.note("it runs though it was frozen: it is frozen again".to_owned());
        }
    }

    fn set_frost(&mut self, frost: Frost) {
        self.record.frost = frost;
        self.record.frost_since = Some(self.now);
        self.record.retry = None;
    }
}

#[cfg(test)]
mod tests;
