//! What LXD tells: made, started, running, stopped, gone.

use jiff::SignedDuration;

use super::super::health::passed;
use super::draft::Draft;
use super::{Action, Fault, Phase};
use crate::model::CloudRunnerState;

impl Draft<'_> {
    pub(super) fn admitted(&mut self) {
        self.enter(Phase::Creating, None, None);
    }

    pub(super) fn created(&mut self, took: SignedDuration) {
        if self.record.phase <= Phase::Creating && !self.record.made {
            self.lxd_worked(took);
            self.record.made = true;
            self.record.retry = None;
            self.enter(Phase::Creating, None, None);
        }
    }

    pub(super) fn start_done(&mut self, took: SignedDuration) {
        if self.record.phase <= Phase::Creating {
            self.lxd_worked(took);
        }
        self.started();
    }

    pub(super) fn lxd_worked(&mut self, took: SignedDuration) {
        self.record.lxd_took = self.record.lxd_took.saturating_add(took);
    }

    pub(super) fn started(&mut self) {
        if self.record.phase <= Phase::Creating {
            self.record.made = true;
            self.record.state = CloudRunnerState::Active;
            self.enter(Phase::Booting, None, None);
        }
    }

    pub(super) fn creation_failed(&mut self, fault: &Fault) {
        if self.record.phase != Phase::Creating {
            return;
        }
        if fault.transient && !self.deadline_passed(Phase::Creating) {
            self.retry_after(&fault.message);
        } else {
            self.fail(&fault.message);
        }
    }

    pub(super) fn seen(&mut self, state: CloudRunnerState) {
        if self.record.phase == Phase::Gone || self.is_before_creation(state) {
            return;
        }
        self.record.state = state;
        match state {
            CloudRunnerState::Deleted => self.instance_gone(),
            CloudRunnerState::Stopped | CloudRunnerState::Error => self.in_trouble(),
            CloudRunnerState::Active => self.is_running(),
            // The next sweep looks again.
            CloudRunnerState::Created
            | CloudRunnerState::Unknown
            | CloudRunnerState::Unexpected => self.record.trouble_since = None,
        }
        self.judge();
    }

    /// An instance that is not made yet cannot be gone or stopped: such news is older than the
    /// record, or about the creation that is under way.
    fn is_before_creation(&self, state: CloudRunnerState) -> bool {
        self.record.phase <= Phase::Creating
            && (!self.record.made || state == CloudRunnerState::Stopped)
    }

    fn is_running(&mut self) {
        if self.record.trouble_since.take().is_some() {
            self.note("the instance runs again".to_owned());
        }
        self.started();
        self.seen_running();
    }

    fn instance_gone(&mut self) {
        self.fail("the instance is gone: it was deleted, or powered itself off");
        self.record.collected = true;
        self.tell_metrics();
        self.enter(Phase::Deleting, None, None);
        self.enter(Phase::Gone, None, None);
    }

    /// A guest that reboots is seen stopped for a moment, and LXD may report an error in
    /// between: one look does not decide.
    fn in_trouble(&mut self) {
        if self.record.phase >= Phase::Finished {
            return;
        }
        let since = *self.record.trouble_since.get_or_insert(self.now);
        if passed(since, self.deadlines.trouble_grace, self.now) {
            self.fail(match self.record.state {
                CloudRunnerState::Error => "LXD reports an error of the instance",
                CloudRunnerState::Created
                | CloudRunnerState::Active
                | CloudRunnerState::Deleted
                | CloudRunnerState::Stopped
                | CloudRunnerState::Unknown
                | CloudRunnerState::Unexpected => "the instance was stopped or frozen",
            });
        }
    }

    pub(super) fn due(&mut self) {
        if self.record.phase >= Phase::Finished {
            return self.end_hold();
        }
        if self.record.trouble_since.is_some_and(|since| self.over(since)) {
            self.ask(Action::Inspect);
        }
        if self.record.process_missing_since.is_some() {
            self.ask(Action::Probe);
        }
        if self.deadline_passed(self.record.phase) {
            self.too_late();
        }
    }

    fn over(&self, since: jiff::Timestamp) -> bool {
        passed(since, self.deadlines.trouble_grace, self.now)
    }

    fn too_late(&mut self) {
        match self.record.phase {
            Phase::Busy => self.want_removal(true, "its job ran for longer than allowed"),
            Phase::Booting if self.record.last_probe.is_none() => {
                // The probe may tell why; the deadline decides if it does not.
                self.record.last_probe = Some(self.now);
                self.put_off_deadline();
                self.ask(Action::Probe);
            }
            Phase::Standby if self.record.frost.is_cold() => {
                self.give_up("it was not thawed in time");
            }
            Phase::Standby => self.give_up("it did not listen in time after it got its credential"),
            Phase::Planned | Phase::Creating => {
                let last = self.record.retry.as_ref().map(|retry| retry.last_error.clone());
                self.fail(&last.unwrap_or_else(|| "it was not created in time".to_owned()));
            }
            Phase::Booting => self.give_up(&self.boot_reason()),
            Phase::Listening | Phase::Finished | Phase::Failed | Phase::Deleting | Phase::Gone => {
                self.give_up("its guest was not ready in time");
            }
        }
    }

    pub(super) fn swept(&mut self) {
        if self.record.is_live() {
            self.ask(Action::Inspect);
            self.ask(Action::Probe);
        }
    }
}
