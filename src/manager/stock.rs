//! What instances are copied from where that is faster than making them from their image.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::{InstanceType, Spec};

/// What instances are copied from, as it changes.
pub type StockReceiver = watch::Receiver<Arc<Stock>>;

/// What makes copies alike: instances of the same can be copied from one another, and all else is
/// set on the copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grain {
    /// The image's fingerprint.
    pub fingerprint: String,
    /// The kind of instance.
    pub instance_type: InstanceType,
    /// The LXD profiles, in order.
    pub profiles: Vec<String>,
    /// The root disk's size; the profiles' without it.
    pub disk: Option<String>,
}

/// What instances are copied from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// Stopped instances of LXD, or snapshots of them (`NAME/SNAPSHOT`), by what is made of them.
    pub seeds: BTreeMap<Grain, String>,
}

impl Grain {
    /// That of instances made from this; none where the image is not known.
    pub fn of(spec: &Spec) -> Option<Self> {
        (!spec.fingerprint.is_empty()).then(|| Self {
            fingerprint: spec.fingerprint.clone(),
            instance_type: spec.instance_type,
            profiles: spec.profiles.clone(),
            disk: spec.disk.clone(),
        })
    }
}

impl Stock {
    /// What an instance is copied from, if there is anything.
    pub(super) fn seed_of(&self, spec: &Spec) -> Option<&str> {
        self.seeds.get(&Grain::of(spec)?).map(String::as_str)
    }
}
