//! What guests are given.

use std::sync::Arc;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::guest::{GuestServices, RunnerSource, UserData, UserDataError, user_data};
use crate::model::SupportServiceConfig;

/// What guests are given, as it changes.
pub type GuestsReceiver = watch::Receiver<Arc<GuestSetup>>;

/// How many hexadecimal digits of the user-data's digest tell two of them apart.
const DIGEST: usize = 16;

/// What guests are given: the same for all of them, but for what comes with the credential.
#[derive(Debug, Clone)]
pub struct GuestSetup {
    pub(super) user_data: Arc<str>,
    pub(super) services: SupportServiceConfig,
    digest: String,
}

impl GuestSetup {
    /// Writes the user-data.
    pub fn new(
        runner: RunnerSource,
        services: SupportServiceConfig,
        lifetime: Option<SignedDuration>,
    ) -> Result<Self, UserDataError> {
        let data = UserData { runner, services: GuestServices::from(&services), lifetime };
        let user_data = user_data::render(&data)?;
        let digest = format!("{:x}", Sha256::digest(&user_data));
        let digest = digest.chars().take(DIGEST).collect();
        Ok(Self { user_data: user_data.into(), services, digest })
    }

    /// Differs where guests are given something else at their start; for `Spec::guest`.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
