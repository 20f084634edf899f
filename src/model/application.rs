//! How a runner's guest comes by the runner application.

use serde::{Deserialize, Serialize};

use super::{Action, Phase, Record};

/// How a runner's guest comes by the runner application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Application {
    /// By itself: it is in the image, or the guest downloads it.
    #[default]
    InImage,
    /// The guest waits for the host to push it.
    Wanted,
    /// The guest has it from the host.
    Pushed,
    /// From the host, and the record was rebuilt from LXD: the guest has not said whether it has it.
    Unknown,
}

/// Whether the application is to be pushed now.
pub(super) fn installing(record: &Record) -> Option<Action> {
    let wanted = record.phase == Phase::Booting && record.application == Application::Wanted;
    wanted.then_some(Action::Install)
}

/// Whether a push of the application that is under way is of use to nobody any more.
pub fn is_install_over(record: &Record) -> bool {
    record.removal.is_some() || record.phase >= Phase::Finished
}
