//! What an instance is made from.

use serde::{Deserialize, Serialize};

use super::InstanceType;

/// What an instance is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The name of the pool it belongs to.
    pub pool: String,
    /// The image's alias.
    pub image: String,
    /// The fingerprint of the image that the alias named; empty if nobody knows.
    #[serde(default)]
    pub fingerprint: String,
    /// The version of the runner application in the image, if that one is to be run.
    #[serde(default)]
    pub baked: Option<String>,
    /// The kind of instance.
    pub instance_type: InstanceType,
    /// The LXD profiles it gets, in order.
    pub profiles: Vec<String>,
    /// CPUs, as LXD's `limits.cpu`; the profiles' without it.
    pub cpu: Option<u32>,
    /// Memory, as LXD's `limits.memory` ("4GiB"); the profiles' without it.
    pub memory: Option<String>,
    /// Root disk size ("10GiB"); the profiles' without it.
    pub disk: Option<String>,
    /// What its guest is given at its start, as a digest of the user-data; empty if nobody knows.
    #[serde(default)]
    pub guest: String,
    /// Whether jobs may run containers in a container: it opens much of the kernel to them.
    #[serde(default)]
    pub nesting: bool,
    /// The word that pools share standbys by; those without one share with each other.
    #[serde(default)]
    pub share: String,
}

impl Spec {
    /// Instances of an image, with nothing else said.
    pub fn new(pool: &str, image: &str, instance_type: InstanceType) -> Self {
        Self {
            pool: pool.to_owned(),
            image: image.to_owned(),
            fingerprint: String::new(),
            baked: None,
            instance_type,
            profiles: Vec::new(),
            cpu: None,
            memory: None,
            disk: None,
            guest: String::new(),
            nesting: false,
            share: String::new(),
        }
    }

    /// Whether instances of both are alike, so that one can stand in for the other.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.same_image(other) && self.same_but_image(other)
    }

    /// Whether instances of both are alike but for what their images' alias named when they were
    /// planned.
    pub fn same_but_image(&self, other: &Self) -> bool {
        let Self { pool: _, fingerprint: _, baked: _, image, instance_type, profiles, .. } = self;
        let Self { cpu, memory, disk, nesting, guest, share, .. } = self;
        (image, instance_type, profiles) == (&other.image, &other.instance_type, &other.profiles)
            && (cpu, memory, disk) == (&other.cpu, &other.memory, &other.disk)
            && (nesting, guest, share) == (&other.nesting, &other.guest, &other.share)
    }

    /// An image that nobody knows the fingerprint of may be any that its alias named.
    fn same_image(&self, other: &Self) -> bool {
        let unknown = self.fingerprint.is_empty() || other.fingerprint.is_empty();
        unknown || self.fingerprint == other.fingerprint
    }
}
