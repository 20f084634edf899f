//! Gets the credential, and pushes it into the guest's memory file system.

use tokio::time::Instant;

use super::{Executor, fault, since};
use crate::guest::{Credential, handover};
use crate::lxd::FileOptions;
use crate::model::{Event, Fault, Record};

impl Executor {
    pub(super) async fn hand_over(
        &self,
        record: &Record,
        credential: Option<&Credential>,
    ) -> Event {
        let credential = match (&record.binding, credential) {
            (Some(binding), _) => match self.register(record, binding).await {
                Ok(credential) => credential,
                Err(told) => return told,
            },
            (None, Some(credential)) => credential.clone(),
            (None, None) => return Event::CredentialLost,
        };
        let bytes = match handover::credential(&credential, &record.name) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = error.to_string();
                return Event::HandOverFailed(Fault { transient: false, message });
            }
        };
        let _place = self.light.acquire().await;
        let begin = Instant::now();
        match self.push_secret(record, handover::CREDENTIAL, bytes.to_vec()).await {
            Ok(()) => Event::HandedOver(since(begin)),
            // The guest may take the file before LXD has set its owner, who is then told that it is
            // not there. Whether it was taken, the deadline for listening decides.
            Err(error) if error.is_not_found() => Event::HandedOver(since(begin)),
            Err(error) => Event::HandOverFailed(fault(&error)),
        }
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
