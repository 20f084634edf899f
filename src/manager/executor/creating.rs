//! Makes and starts an instance.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Executor, fault, since};
use crate::lxd::{Devices, Error, ErrorKind, NewInstance, StateChange};
use crate::manager::keys;
use crate::model::{Event, Fault, InstanceType, Record, Spec};

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
        let operation = self.place.client.create_instance(&instance).await?;
        self.place.client.wait(&operation, self.place.limits.create).await.map(drop)
    }

    /// A failure after which the instance is there all the same: the answer to an earlier try was
    /// lost, as in a restart.
    async fn created_before(&self, record: &Record, error: Error) -> Event {
        match self.ours(&record.name).await {
            Ok(Some(_)) => Event::Created(SignedDuration::ZERO),
            Ok(None) => Event::CreateFailed(fault(&error)),
            // Nobody knows yet.
            Err(_) => Event::CreateFailed(Fault { transient: true, ..fault(&error) }),
        }
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
            self.place.guests.borrow().user_data.to_string(),
        );
        let limits = [("limits.cpu", spec.cpu.map(|cpus| cpus.to_string()))];
        let limits = limits.into_iter().chain([("limits.memory", spec.memory.clone())]);
        config.extend(limits.filter_map(|(key, value)| Some((key.to_owned(), value?))));
        config.extend(walls(spec));
        Ok(NewInstance {
            name: record.name.to_string(),
            instance_type: spec.instance_type.as_str().to_owned(),
            image_alias: spec.image.clone(),
            ephemeral: true,
            profiles: spec.profiles.clone(),
            config,
            devices: self.devices(record).await?,
            description: format!("larm runner of {}", self.place.prefix),
        })
    }

    /// A device in the instance replaces the profile's whole device of that name, so the root
    /// disk is taken from there and only its size changed.
    async fn devices(&self, record: &Record) -> Result<Devices, Error> {
        let Some(size) = &record.spec.disk else { return Ok(Devices::new()) };
        for profile in record.spec.profiles.iter().rev() {
            let Some(profile) = self.place.client.profile(profile).await? else { continue };
            let mut devices = profile.devices.into_iter();
            let root = devices.find(|(_, device)| device.get("path").is_some_and(|at| at == "/"));
            if let Some((name, mut root)) = root {
                root.insert("size".to_owned(), size.clone());
                return Ok([(name, root)].into());
            }
        }
        Ok(Devices::new())
    }
}

/// What keeps a container's root from being the host's. Set on the instance itself, so that no
/// profile undoes it. LXD refuses these keys on virtual machines, which have walls of their own.
fn walls(spec: &Spec) -> impl Iterator<Item = (String, String)> {
    let nesting = if spec.nesting { "true" } else { "false" };
    let keys = [("security.privileged", "false"), ("security.nesting", nesting)];
    let is_container = spec.instance_type == InstanceType::Container;
    keys.into_iter().filter(move |_| is_container).map(|(key, is)| (key.to_owned(), is.to_owned()))
}
