//! Seeds: the stopped instances that others are copied from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::lxd::{
    self, Client, Devices, ImageSource, Instance, NewInstance, StateChange, StatusCode,
};
use crate::manager::{Grain, SEED_KEY};
use crate::model::{InstanceType, NamePrefix, Way};

/// Set once a seed is complete.
const STATE_KEY: &str = "user.larm.seed-state";
const COMPLETE: &str = "complete";
const SNAPSHOT: &str = "seed";
/// Of the digest that tells seeds apart, so many hexadecimal digits are in their names: fewer than
/// a runner's id has.
const DIGITS: usize = 8;
/// A first instance of an image unpacks it.
pub(super) const LIMIT: Duration = Duration::from_mins(10);
/// How often LXD is asked for a change that it is too busy for, and the pause before each time.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);
/// An init that ends at once: starting it maps the root disk's owners, and runs nothing of the guest.
const NO_INIT: &str = "lxc.init.cmd = /bin/true";

/// Makes and deletes the seeds of one larm.
#[derive(Debug, Clone)]
pub(super) struct Seeds {
    pub(super) client: Client,
    pub(super) prefix: NamePrefix,
}

impl Seeds {
    /// What instances are copied from.
    pub(super) fn source(&self, grain: &Grain, way: Way) -> Option<String> {
        match way {
            Way::Image => None,
            Way::Copy => Some(self.name(grain)),
            Way::Snapshot => Some(format!("{}/{SNAPSHOT}", self.name(grain))),
        }
    }

    /// Makes those that are lacking; returns those that are complete.
    pub(super) async fn make(
        &self,
        grains: &BTreeSet<Grain>,
    ) -> Result<BTreeSet<Grain>, lxd::Error> {
        let there = self.there().await?;
        let mut complete = BTreeSet::new();
        for grain in grains {
            let found = there.get(&self.name(grain));
            if !found.is_some_and(is_complete) {
                if found.is_some() {
                    self.delete(&self.name(grain)).await?;
                }
                self.make_one(grain).await?;
            }
            complete.insert(grain.clone());
        }
        Ok(complete)
    }

    /// Deletes all but these, and what a daemon that was stopped has left of a measurement.
    pub(super) async fn prune(&self, keep: &BTreeSet<Grain>) -> Result<(), lxd::Error> {
        let keep: BTreeSet<String> = keep.iter().map(|grain| self.name(grain)).collect();
        for name in self.there().await?.keys().filter(|name| !keep.contains(*name)) {
            tracing::info!(instance = %name, "no instance is made from it any more: deleted");
            self.delete(name).await?;
        }
        Ok(())
    }

    /// Begins an instance like a seed: of its image, with its disk, and marked as ours.
    pub(super) async fn new_instance(
        &self,
        grain: &Grain,
        name: &str,
    ) -> Result<NewInstance, lxd::Error> {
        let mut config = lxd::Config::from([
            ("boot.autostart".to_owned(), "false".to_owned()),
            (SEED_KEY.to_owned(), name.to_owned()),
        ]);
        config.extend(grain.instance_type.walls(false));
        Ok(NewInstance {
            name: name.to_owned(),
            instance_type: grain.instance_type.as_str().to_owned(),
            image: ImageSource::Fingerprint(grain.fingerprint.clone()),
            ephemeral: false,
            profiles: grain.profiles.clone(),
            config,
            devices: self.devices(grain).await?,
            description: format!("what larm {} copies its runners from", self.prefix),
        })
    }

    async fn devices(&self, grain: &Grain) -> Result<Devices, lxd::Error> {
        match &grain.disk {
            None => Ok(Devices::new()),
            Some(size) => self.client.root_disk(&grain.profiles, size).await,
        }
    }

    fn name(&self, grain: &Grain) -> String {
        let text = format!("{grain:?}");
        let digest: String = format!("{:x}", Sha256::digest(text)).chars().take(DIGITS).collect();
        format!("{}-seed-{digest}", self.prefix)
    }

    /// Ours, complete or not, by name. A runner carries the mark of what it was copied from.
    async fn there(&self) -> Result<BTreeMap<String, Instance>, lxd::Error> {
        let all = self.client.instances().await?.into_iter();
        let ours = all.filter(|one| {
            let mark = one.config.get(SEED_KEY).map_or("", String::as_str);
            is_ours(&self.prefix, &one.name, mark)
        });
        Ok(ours.map(|one| (one.name.clone(), one)).collect())
    }

    async fn make_one(&self, grain: &Grain) -> Result<(), lxd::Error> {
        let name = self.name(grain);
        let mut new = self.new_instance(grain, &name).await?;
        let is_container = grain.instance_type == InstanceType::Container;
        if is_container {
            new.config.insert("raw.lxc".to_owned(), NO_INIT.to_owned());
        }
        let made = async {
            let operation = self.client.create_instance(&new).await?;
            self.client.wait(&operation, LIMIT).await?;
            if is_container {
                self.map_owners(&name).await?;
            }
            let operation = self.client.snapshot_instance(&name, SNAPSHOT).await?;
            self.client.wait(&operation, LIMIT).await?;
            self.set(&name, STATE_KEY, COMPLETE).await
        };
        let result = made.await;
        if result.is_err()
            && let Err(error) = self.delete(&name).await
        {
            tracing::debug!(seed = %name, %error, "half a seed is left for the next try");
        }
        result.inspect(|()| tracing::info!(seed = %name, "runners are copied from it"))
    }

    async fn map_owners(&self, name: &str) -> Result<(), lxd::Error> {
        let operation = self.client.change_state(name, StateChange::Start).await?;
        self.client.wait(&operation, LIMIT).await?;
        self.until_stopped(name).await?;
        self.set(name, "raw.lxc", "").await
    }

    /// Its init has ended already; LXD notices a moment later.
    async fn until_stopped(&self, name: &str) -> Result<(), lxd::Error> {
        for _ in 0..TRIES {
            let state = self.client.instance_state(name).await?;
            if state.is_none_or(|state| state.status_code == StatusCode::STOPPED) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        let operation = self.client.change_state(name, StateChange::PULL_THE_PLUG).await?;
        self.client.wait(&operation, LIMIT).await.map(drop)
    }

    async fn set(&self, name: &str, key: &str, value: &str) -> Result<(), lxd::Error> {
        let config = [(key.to_owned(), value.to_owned())].into();
        patiently(|| self.client.patch_config(name, &config)).await
    }

    /// Stops and deletes; one that is gone is as good.
    pub(super) async fn delete(&self, name: &str) -> Result<(), lxd::Error> {
        let stop = self.client.change_state(name, StateChange::PULL_THE_PLUG).await;
        if let Ok(operation) = stop {
            // Deleting tells whether it is in the way.
            drop(self.client.wait(&operation, LIMIT).await);
        }
        let delete = || async {
            let operation = self.client.delete_instance(name).await?;
            self.client.wait(&operation, LIMIT).await.map(drop)
        };
        match patiently(delete).await {
            Err(error) if !error.is_not_found() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// LXD shows an instance as stopped while it still works on its end, and changes nothing meanwhile.
async fn patiently<F>(change: impl Fn() -> F) -> Result<(), lxd::Error>
where
    F: Future<Output = Result<(), lxd::Error>>,
{
    let mut tries = 1;
    loop {
        match change().await {
            Err(error) if error.is_transient() && tries < TRIES => tries += 1,
            result => return result,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether an instance is a seed or of a measurement. The prefix of another larm may begin with ours.
fn is_ours(prefix: &NamePrefix, name: &str, mark: &str) -> bool {
    let of_stock = ["seed-", "trial-", "unpack"];
    mark == name && of_stock.iter().any(|word| name.starts_with(&format!("{prefix}-{word}")))
}

fn is_complete(instance: &Instance) -> bool {
    instance.config.get(STATE_KEY).is_some_and(|state| state == COMPLETE)
        && instance.status_code == StatusCode::STOPPED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_larm_s_prefix_names_is_not_ours() {
        let prefix: NamePrefix = "larm".parse().unwrap();
        for name in ["larm-seed-01234567", "larm-trial-copy", "larm-unpack"] {
            assert!(is_ours(&prefix, name, name), "{name}");
            assert!(!is_ours(&prefix, name, ""), "{name} is not marked");
        }
        for name in ["larm-dev-seed-01234567", "larm-dev-unpack", "larmseed-01234567"] {
            assert!(!is_ours(&prefix, name, name), "{name}");
        }
        let copy = ("larm-0123456789ab", "larm-seed-01234567");
        assert!(!is_ours(&prefix, copy.0, copy.1), "a runner that was copied from a seed");
    }
}
