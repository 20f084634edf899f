//! The end: a wish to remove, the listener ended, what was left collected, the instance gone.

use super::draft::Draft;
use super::{Fault, Phase, Refused};
use crate::model::{CloudRunnerState, Ended, GuestReport, Kept, Mismatch, Quiesced, Removal};

/// The listener ends with it where `ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE` is set.
const VERSION_DEPRECATED: i32 = 7;

impl Draft<'_> {
    pub(super) fn removal_wanted(&mut self, force: bool, reason: &str) -> Result<(), Refused> {
        if self.record.phase >= Phase::Finished {
            return Ok(());
        }
        if self.record.phase == Phase::Busy && !force {
            return Err(Refused::Busy);
        }
        if self.record.phase == Phase::Planned {
            self.forget(reason);
        } else if self.record.may_be_busy() {
            self.want_removal(force, reason);
        } else {
            self.enter(Phase::Deleting, Some(reason.to_owned()), None);
        }
        Ok(())
    }

    /// LXD knows nothing of it: there is nothing to delete.
    fn forget(&mut self, reason: &str) {
        self.record.collected = true;
        self.record.state = CloudRunnerState::Deleted;
        self.tell_metrics();
        self.enter(Phase::Gone, Some(reason.to_owned()), None);
    }

    pub(super) fn quiesced(&mut self, outcome: &Quiesced) {
        let Some(removal) = self.record.removal.clone().filter(|_| self.record.is_live()) else {
            return;
        };
        match outcome {
            Quiesced::Stopped => self.remove_now(removal),
            Quiesced::Busy | Quiesced::Unreachable(_) if removal.force => {
                self.remove_now(removal);
            }
            Quiesced::Busy => {
                self.keep(Kept::Busy, "it is not removed: a job has reached it".to_owned());
            }
            Quiesced::Unreachable(why) => {
                let text = format!("it is not removed: whether it has a job is not known: {why}");
                self.keep(Kept::Unreachable(why.clone()), text);
            }
        }
    }

    fn remove_now(&mut self, removal: Removal) {
        self.record.removal = None;
        self.record.ended = Some(Ended::by(&removal));
        self.enter(Phase::Deleting, Some(removal.reason), None);
    }

    fn keep(&mut self, why: Kept, text: String) {
        self.record.removal = None;
        self.put_off_deadline();
        if matches!(why, Kept::Unreachable(_)) {
            self.look_again_soon();
        }
        self.record.refusals = self.record.refusals.saturating_add(1);
        if self.record.kept.as_ref() != Some(&why) {
            self.note(text);
        }
        self.record.kept = Some(why);
    }

    pub(super) fn collected(&mut self, report: Option<&GuestReport>) {
        let ending = matches!(self.record.phase, Phase::Finished | Phase::Failed | Phase::Deleting);
        if !ending || self.record.collected {
            return;
        }
        if let Some(report) = report {
            self.learn_metrics(report);
        }
        self.record.collected = true;
        self.record.retry = None;
        self.learn_end();
        self.tell_metrics();
        self.enter(Phase::Deleting, None, None);
        self.begin_hold();
    }

    /// What the listener's exit code says of the registration (GitHub's runner,
    /// `Constants.Runner.ReturnCode`).
    fn learn_end(&mut self) {
        match self.record.exit_code {
            // GitHub removes a runner that is for one job when it has ended it.
            Some(0) if self.record.may_have_had_job() => self.unregistered(),
            Some(VERSION_DEPRECATED) => {
                let text = "GitHub gives no jobs to its version of the runner any more".to_owned();
                self.mismatch(Mismatch::Doomed, text);
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn ending_failed(&mut self, fault: &Fault) {
        if matches!(self.record.phase, Phase::Finished | Phase::Failed | Phase::Deleting) {
            self.retry_after(&fault.message);
        }
    }

    pub(super) fn removed(&mut self) {
        if self.record.phase == Phase::Deleting && self.record.collected {
            self.record.state = CloudRunnerState::Deleted;
            self.enter(Phase::Gone, None, None);
        }
    }
}
