//! What guests are given.

use std::sync::Arc;

use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::guest::{GuestServices, RunnerSource, UserData, UserDataError, user_data};
use crate::model::{Spec, SupportServiceConfig};

/// What guests are given, as it changes.
pub type GuestsReceiver = watch::Receiver<Arc<GuestSetup>>;

/// How many hexadecimal digits of the user-data's digest tell two of them apart.
const DIGEST: usize = 16;

/// How many earlier setups are known.
const EARLIER: usize = 4;

/// What guests are given: the same for all of them, but for what comes with the credential.
#[derive(Debug, Clone)]
pub struct GuestSetup {
    user_data: Arc<str>,
    /// The same for those that have the runner application from their image.
    baked: Arc<str>,
    pub(super) services: SupportServiceConfig,
    digest: String,
    /// What earlier setups gave, the newest first, by their digests.
    earlier: Vec<(String, SupportServiceConfig)>,
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
        let baked = user_data::render(&UserData { runner: RunnerSource::Image, ..data })?;
        let digest = format!("{:x}", Sha256::digest(&user_data));
        let digest = digest.chars().take(DIGEST).collect();
        Ok(Self {
            user_data: user_data.into(),
            baked: baked.into(),
            services,
            digest,
            earlier: Vec::new(),
        })
    }

    /// What a guest made from this is given at its start.
    pub(super) fn user_data_of(&self, spec: &Spec) -> &str {
        if spec.baked.is_some() { &self.baked } else { &self.user_data }
    }

    /// The same, which also knows what an earlier one gave: guests of that one may still wait for
    /// their credential.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        let newest = (earlier.digest.clone(), earlier.services.clone());
        let all = std::iter::once(newest).chain(earlier.earlier.iter().cloned());
        self.earlier = all.filter(|(digest, _)| *digest != self.digest).take(EARLIER).collect();
        self
    }

    /// What guests are given whose setup has this digest; the newest where that one is forgotten.
    pub(super) fn services_of(&self, digest: &str) -> &SupportServiceConfig {
        let known = self.earlier.iter().find(|(earlier, _)| earlier == digest);
        known.map_or(&self.services, |(_, services)| services)
    }

    /// Differs where guests are given something else at their start; for `Spec::guest`.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(mirror: &str) -> GuestSetup {
        let services = SupportServiceConfig {
            dockerhub_mirror: Some(mirror.to_owned()),
            ..SupportServiceConfig::default()
        };
        GuestSetup::new(RunnerSource::Image, services, None).unwrap()
    }

    #[test]
    fn a_guest_gets_with_its_credential_what_its_own_setup_says() {
        let first = setup("https://0.example");
        let (digest, first_mirror) = (first.digest().to_owned(), "https://0.example");
        let mirror = |setup: &GuestSetup, digest: &str| {
            setup.services_of(digest).dockerhub_mirror.clone().unwrap()
        };
        let mut now = setup("https://1.example").after(&first);
        assert_eq!(mirror(&now, &digest), first_mirror);
        let own = now.digest().to_owned();
        assert_eq!(mirror(&now, &own), "https://1.example");
        // Back, and on.
        now = setup("https://1.example").after(&first.clone().after(&now));
        assert_eq!(mirror(&now, &digest), first_mirror);
        assert_eq!(now.earlier.len(), 1);
        for number in 2..=6 {
            now = setup(&format!("https://{number}.example")).after(&now);
        }
        assert_eq!(now.earlier.len(), EARLIER);
        assert_eq!(mirror(&now, &digest), "https://6.example", "forgotten");
    }
}
