//! Gets the credential and what comes with it, and pushes it into the guest's memory file system.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::time::Instant;

use super::{Executor, fault, since};
use crate::guest::Credential;
use crate::guest::handover::{self, Extras};
use crate::lxd::FileOptions;
use crate::model::{Event, Fault, Record, SupportServiceConfig};
use crate::services;

impl Executor {
    pub(super) async fn hand_over(
        &self,
        record: &Record,
        credential: Option<&Credential>,
    ) -> Event {
        let guests = Arc::clone(&self.place.guests.borrow());
        let given = guests.services_of(&record.spec.guest);
        let (credential, policy_token) = match self.secrets(record, credential, given).await {
            Ok(secrets) => secrets,
            Err(told) => return told,
        };
        let server = services::draw(&given.ssh_debug_connections);
        let environment = server.map(services::tmate_variables).unwrap_or_default();
        let extras = Extras { environment, policy_token };
        let bytes = match handover::credential_with(&credential, &record.name, &extras) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = error.to_string();
                return Event::HandOverFailed(Fault { transient: false, message });
            }
        };
        let _place = self.places.ask().await;
        let begin = Instant::now();
        match self.push_secret(record, handover::CREDENTIAL, bytes.to_vec()).await {
            Ok(()) => Event::HandedOver(since(begin)),
            // The guest may take the file before LXD has set its owner, who is then told that it is
            // not there. Whether it was taken, the deadline for listening decides.
            Err(error) if error.is_not_found() => Event::HandedOver(since(begin)),
            Err(error) => Event::HandOverFailed(fault(&error)),
        }
    }

    /// The credential, and the policy's token.
    async fn secrets(
        &self,
        record: &Record,
        credential: Option<&Credential>,
        given: &SupportServiceConfig,
    ) -> Result<(Credential, Option<SecretString>), Event> {
        let token = async { self.policy_token(given).await.map_err(Event::HandOverFailed) };
        let credential = self.credential(record, credential);
        if record.retry.is_some() {
            // Where the policy service gives none, each try would cost a registration.
            let token = token.await?;
            return Ok((credential.await?, token));
        }
        // Neither waits for the other.
        let (credential, token) = tokio::join!(credential, token);
        Ok((credential?, token?))
    }

    async fn credential(
        &self,
        record: &Record,
        credential: Option<&Credential>,
    ) -> Result<Credential, Event> {
        match (&record.binding, credential) {
            (Some(binding), _) => self.register(record, binding).await,
            (None, Some(credential)) => Ok(credential.clone()),
            (None, None) => Err(Event::CredentialLost),
        }
    }

    /// A token for the runner's one check, where there is a policy.
    async fn policy_token(
        &self,
        given: &SupportServiceConfig,
    ) -> Result<Option<SecretString>, Fault> {
        let Some(policy) = &given.repo_policy_compliance else { return Ok(None) };
        let failed = |message: String| Fault { transient: true, message };
        let Some(client) = &self.place.policy else {
            return Err(failed("no client for the policy service could be built".to_owned()));
        };
        let token = client.one_time_token(policy).await.map_err(|error| match error.hint() {
            None => failed(error.to_string()),
            Some(hint) => failed(format!("{error} ({hint})")),
        })?;
        Ok(Some(token))
    }

    pub(super) async fn push_secret(
        &self,
        record: &Record,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<(), crate::lxd::Error> {
        let options = FileOptions { uid: 0, gid: 0, mode: handover::MODE };
        self.place.client.push_file(&record.name.to_string(), path, bytes, options).await
    }
}
