//! The runner application: which builds there are, and how a runner's guest comes by one.

use jiff::Timestamp;
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

/// A build of the runner application (GitHub REST API, "List runner applications").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// `linux`, `osx`, `win`.
    pub os: String,
    /// `x64`, `arm64`, `arm`.
    pub architecture: String,
    /// Where it is.
    pub url: String,
    /// Its file's name.
    pub filename: String,
    /// The file's SHA-256 in lower-case hexadecimal, where GitHub tells.
    pub sha256: Option<String>,
    /// Its version, `2.335.1`, read from the file's name.
    pub version: String,
}

/// Until when a version of the runner application works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecation {
    /// The version.
    pub version: String,
    /// When it stops getting jobs; absent while no date is set.
    pub runtime_ends: Option<Timestamp>,
    /// GitHub registers it no more: it is below the lowest version.
    pub too_old: bool,
}

impl Deprecation {
    /// When it stops or stopped to be of use, if that is decided; of what GitHub does not register
    /// any more no date is known.
    pub fn end(&self) -> Option<Timestamp> {
        if self.too_old { Some(Timestamp::UNIX_EPOCH) } else { self.runtime_ends }
    }
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
