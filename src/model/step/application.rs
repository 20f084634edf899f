//! The runner application on its way into the guest.

use jiff::SignedDuration;

use super::draft::Draft;
use super::{Fault, Phase};
use crate::model::{Application, GuestPhase, GuestReport};

/// The pause before a push is repeated. A machine's agent says when it is up by answering.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

impl Draft<'_> {
    /// The guest may have said that it is ready before LXD has answered.
    pub(super) fn installed(&mut self, version: &str, took: SignedDuration) {
        let asked = matches!(self.record.application, Application::Wanted | Application::Pushed);
        if !asked || self.record.application_version.is_some() {
            return;
        }
        if self.record.application == Application::Wanted {
            self.record.retry = None;
        }
        self.lxd_worked(took);
        self.record.application = Application::Pushed;
        self.record.application_version = Some(version.to_owned());
    }

    pub(super) fn install_failed(&mut self, fault: &Fault) {
        let is_wanted = self.record.application == Application::Wanted;
        // Breaking it off for a removal is no failure.
        if self.record.phase != Phase::Booting || !is_wanted || self.record.removal.is_some() {
            return;
        }
        if fault.transient {
            self.retry_in(PAUSE, &fault.message);
        } else {
            self.give_up(&format!("the runner application was not pushed: {}", fault.message));
        }
    }

    /// A guest that is ready has it, whatever became of the answer to its push.
    pub(super) fn learn_application(&mut self, report: &GuestReport) {
        let has_it = (GuestPhase::Ready..=GuestPhase::Finished).contains(&report.phase);
        self.record.application = match self.record.application {
            Application::Wanted | Application::Unknown if has_it => Application::Pushed,
            Application::Unknown if report.phase == GuestPhase::Preparing => Application::Wanted,
            known @ (Application::InImage
            | Application::Wanted
            | Application::Pushed
            | Application::Unknown) => known,
        };
    }

    /// Why its boot took too long, as far as is known.
    pub(super) fn boot_reason(&self) -> String {
        let last = self.record.retry.as_ref().map(|retry| retry.last_error.as_str());
        match (self.record.application, last) {
            (Application::Wanted, Some(last)) => {
                format!("the runner application was not pushed in time: {last}")
            }
            (Application::Wanted, None) => {
                "the runner application was not pushed in time".to_owned()
            }
            (Application::InImage | Application::Pushed | Application::Unknown, _) => {
                "its guest was not ready in time".to_owned()
            }
        }
    }
}
