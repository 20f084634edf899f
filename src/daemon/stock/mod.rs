//! Keeps instances quick to make: which image each alias names, images unpacked, and what
//! instances are copied from.
//!
//! ```text
//! look      alias -> fingerprint, and the runner application in it   -> pools roll over
//! way       image, copy or snapshot: as configured, as measured once, or as the driver promises
//! seeds     a stopped instance for each image, never booted; what is not wanted any more is deleted
//! ```
//!
//! A container's root disk is given to its user namespace when it is first started, which takes
//! longer than anything else of a start where the kernel does not do it on the fly. A seed has had
//! that done, by an init that ends at once: nothing of the guest has ever run in it.

mod images;
mod keeper;
mod kept;
mod place;
mod seeds;
mod trial;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::{LimitSettings, Settings};
use crate::manager::Parallel;
use crate::model::{Spec, Way};

pub use images::{ImageFacts, Images};
pub(super) use keeper::Keeper;
pub use kept::{Kept, Measured};
pub use place::Place;

/// What there is to be instances of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What they are made from; their fingerprints are looked up.
    specs: Vec<Spec>,
    /// The way that the configuration names, if it does.
    way: Option<Way>,
}

impl Wanted {
    pub(super) fn of(settings: &Settings) -> Arc<Self> {
        let mut specs: Vec<Spec> = settings.pools.iter().map(|pool| pool.spec.clone()).collect();
        if specs.is_empty() {
            specs.push(settings.runner.spec.clone());
        }
        Arc::new(Self { specs, way: settings.host.creation })
    }

    fn aliases(&self) -> BTreeSet<&str> {
        self.specs.iter().map(|spec| spec.image.as_str()).collect()
    }
}

/// How many instances are created, started and deleted at once, where the configuration does not
/// say: a start is work for about one CPU, and so is a clone; a driver that writes every file of
/// the image anew makes the disk work, which more of them at once make slower.
pub fn parallel(limits: &LimitSettings, driver: Option<&str>) -> Parallel {
    let cores = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let creates = if driver == Some("dir") { 1 } else { cores };
    Parallel {
        creates: limits.creates.unwrap_or(creates),
        starts: limits.starts.unwrap_or(cores),
        deletes: limits.deletes.unwrap_or(cores.saturating_mul(2)),
    }
}
