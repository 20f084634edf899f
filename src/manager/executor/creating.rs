//! Makes and starts an instance.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Executor, fault, since};
use crate::lxd::{
    Devices, Error, ErrorKind, ImageSource, Instance, NewInstance, StateChange, StatusCode,
};
use crate::manager::keys;
use crate::model::{Event, Fault, InstanceName, Record, Spec};

impl Executor {
    pub(super) async fn create(&self, record: &Record) -> Event {
        let begin = Instant::now();
        match self.try_create(record).await {
            Ok(()) => Event::Created(since(begin)),
            Err(error) => self.created_before(record, error).await,
        }
    }

    async fn try_create(&self, record: &Record) -> Result<(), Error> {
        let instance = self.new_instance(record).await?;
        let seed = self.place.stock.borrow().seed_of(&record.spec).map(str::to_owned);
        if let Some(seed) = seed {
            match self.copy(&seed, &instance).await {
                Err(error) if self.ours(&record.name).await.is_ok_and(|found| found.is_none()) => {
                    tracing::warn!(runner = %record.name, %error, "made from its image instead");
                }
                result => return result,
            }
        }
        let operation = self.place.client.create_instance(&instance).await?;
        self.place.client.wait(&operation, self.place.limits.create).await.map(drop)
    }

    async fn copy(&self, seed: &str, instance: &NewInstance) -> Result<(), Error> {
        let operation = self.place.client.copy_instance(&instance.copied_from(seed)).await?;
        self.place.client.wait(&operation, self.place.limits.create).await.map(drop)
    }

    /// A failure after which the instance is there all the same: the answer to an earlier try was
    /// lost, as in a restart of larm, or LXD itself was, and left a part of an instance.
    async fn created_before(&self, record: &Record, error: Error) -> Event {
        if !matches!(error.kind(), ErrorKind::TimedOut { .. }) {
            self.until_nothing_is_done_with(&record.name).await;
        }
        match self.ours(&record.name).await {
            Ok(Some(instance)) if is_whole(&instance) => Event::Created(SignedDuration::ZERO),
            Ok(Some(_)) => self.unmake(record, error).await,
            Ok(None) => Event::CreateFailed(fault(&error)),
            // Nobody knows yet.
            Err(_) => Event::CreateFailed(Fault { transient: true, ..fault(&error) }),
        }
    }

    /// Waits for an earlier try that is under way still.
    async fn until_nothing_is_done_with(&self, name: &InstanceName) {
        let client = &self.place.client;
        for operation in client.operations_of(&name.to_string()).await.unwrap_or_default() {
            if let Err(error) = client.wait(&operation, self.place.limits.create).await {
                tracing::debug!(runner = %name, %error, "an earlier try");
            }
        }
    }

    /// Deletes a part of an instance, so that it can be made anew.
    async fn unmake(&self, record: &Record, error: Error) -> Event {
        tracing::info!(runner = %record.name, %error, "only a part of it was made, which is deleted");
        let why = match self.remove_instance(&record.name).await {
            Ok(()) => fault(&error),
            Err(why) => why,
        };
        Event::CreateFailed(Fault { transient: true, ..why })
    }

    pub(super) async fn start(&self, record: &Record) -> Event {
        let begin = Instant::now();
        match self.change_state(record, StateChange::Start, self.place.limits.start).await {
            Ok(()) => Event::Started(since(begin)),
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyRunning { .. }) => {
                Event::Started(SignedDuration::ZERO)
            }
            Err(error) => Event::StartFailed(fault(&error)),
        }
    }

    pub(super) async fn change_state(
        &self,
        record: &Record,
        change: StateChange,
        limit: Duration,
    ) -> Result<(), Error> {
        let name = record.name.to_string();
        let operation = self.place.client.change_state(&name, change).await?;
        self.place.client.wait(&operation, limit).await.map(drop)
    }

    async fn new_instance(&self, record: &Record) -> Result<NewInstance, Error> {
        let spec = &record.spec;
        let mut config = keys::marks(record);
        // LXD starts an instance again that ran when LXD ended: a used runner would boot twice.
        config.insert("boot.autostart".to_owned(), "false".to_owned());
        config.insert(
            "cloud-init.user-data".to_owned(),
            self.place.guests.borrow().user_data_of(spec).to_owned(),
        );
        let limits = [("limits.cpu", spec.cpu.map(|cpus| cpus.to_string()))];
        let limits = limits.into_iter().chain([("limits.memory", spec.memory.clone())]);
        config.extend(limits.filter_map(|(key, value)| Some((key.to_owned(), value?))));
        config.extend(spec.instance_type.walls(spec.nesting));
        let devices = match &spec.disk {
            None => Devices::new(),
            Some(size) => self.place.client.root_disk(&spec.profiles, size).await?,
        };
        Ok(NewInstance {
            name: record.name.to_string(),
            instance_type: spec.instance_type.as_str().to_owned(),
            image: image(spec),
            ephemeral: true,
            profiles: spec.profiles.clone(),
            config,
            devices,
            description: format!("larm runner of {}", self.place.prefix),
        })
    }
}

/// What was started is whole.
fn is_whole(instance: &Instance) -> bool {
    instance.awaits_first_start() || instance.status_code != StatusCode::STOPPED
}

/// The image that the alias named when the runner was planned.
fn image(spec: &Spec) -> ImageSource {
    if spec.fingerprint.is_empty() {
        return ImageSource::Alias(spec.image.clone());
    }
    ImageSource::Fingerprint(spec.fingerprint.clone())
}
