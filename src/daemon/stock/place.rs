//! Where instances have their root disks.

use crate::lxd::{self, Client};
use crate::model::{InstanceType, Spec};

/// A storage pool, as the root disks of one kind of instance see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The pool's name.
    pub pool: String,
    /// Its driver, like `btrfs`.
    pub driver: String,
    /// The kind of instance.
    pub instance_type: InstanceType,
}

impl Place {
    /// Where the root disk of an instance made from this comes to be: the last profile with one
    /// wins. None if no profile has one.
    pub async fn of(client: &Client, spec: &Spec) -> Result<Option<Self>, lxd::Error> {
        for name in spec.profiles.iter().rev() {
            let Some(profile) = client.profile(name).await? else { continue };
            let mut devices = profile.devices.values();
            let root = devices.find(|device| device.get("path").is_some_and(|path| path == "/"));
            let Some(pool) = root.and_then(|root| root.get("pool")) else { continue };
            let driver = client.storage_pool(pool).await?.map(|pool| pool.driver);
            let driver = driver.unwrap_or_default();
            let pool = pool.clone();
            return Ok(Some(Self { pool, driver, instance_type: spec.instance_type }));
        }
        Ok(None)
    }

    /// The name that its figures are kept under.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.pool, self.driver, self.instance_type)
    }

    /// Whether making an instance from an image that is unpacked is no more than a clone.
    pub fn clones(&self) -> bool {
        matches!(self.driver.as_str(), "btrfs" | "zfs" | "lvm" | "ceph")
    }
}
