//! What guests are given, from the configuration, with its secret read from a file.

use crate::config::{CredentialError, Settings};
use crate::guest::{RunnerSource, UserDataError};
use crate::manager::GuestSetup;

/// Why it cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum GuestsError {
    /// The policy service's token could not be read.
    #[error(transparent)]
    Secret(#[from] CredentialError),
    /// The user-data could not be written.
    #[error("the user-data could not be written: {0}")]
    UserData(#[from] UserDataError),
}

impl GuestsError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => error.hint(),
            Self::UserData(_) => None,
        }
    }
}

/// What guests are given. Where the runner application comes from is the daemon's to know: that does
/// not change with the configuration while it runs.
pub(super) fn setup(settings: &Settings, runner: RunnerSource) -> Result<GuestSetup, GuestsError> {
    let services = settings.services.read()?;
    Ok(GuestSetup::new(runner, services, Some(settings.runner.lifetime))?)
}
