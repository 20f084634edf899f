//! What runners may use of the host, and what they cost.

use serde::{Deserialize, Serialize};

use super::{Record, Spec};

/// What an instance without a limit of its own is counted as. LXD gives a virtual machine
/// without limits one CPU and 1 GiB ("Instance options" in LXD's documentation); of its image's
/// copy only what it writes costs space.
const UNLIMITED: Cost = Cost { cpus: 1, memory: 1 << 30, disk: 512 << 20 };

/// What instances use, or may use, of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// CPUs.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Space in the storage pool in bytes.
    pub disk: u64,
}

/// What runners may use of the host, all together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// What all instances together may use.
    pub host: Cost,
    /// How many runners may be there at once; no limit without it.
    pub runners: Option<usize>,
    /// How many instances may be made in one minute.
    pub creations_per_minute: usize,
}

impl Cost {
    /// What an instance costs.
    pub fn of(spec: &Spec) -> Self {
        let size = |text: &Option<String>| text.as_deref().and_then(super::bytes);
        Self {
            cpus: spec.cpu.map_or(UNLIMITED.cpus, u64::from),
            memory: size(&spec.memory).unwrap_or(UNLIMITED.memory),
            disk: size(&spec.disk).unwrap_or(UNLIMITED.disk),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpus: self.cpus.saturating_add(other.cpus),
            memory: self.memory.saturating_add(other.memory),
            disk: self.disk.saturating_add(other.disk),
        }
    }

    /// Without a part of it.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            cpus: self.cpus.saturating_sub(other.cpus),
            memory: self.memory.saturating_sub(other.memory),
            disk: self.disk.saturating_sub(other.disk),
        }
    }

    /// What `self` lacks to hold `wanted`, if anything: its name, what is wanted of it, what is
    /// there.
    pub fn lacks(self, wanted: Self) -> Option<(&'static str, u64, u64)> {
        [
            ("memory", wanted.memory, self.memory),
            ("CPUs", wanted.cpus, self.cpus),
            ("space in the storage pool", wanted.disk, self.disk),
        ]
        .into_iter()
        .find(|(_, wanted, there)| wanted > there)
    }
}

/// What the runners that are there have been promised.
pub fn committed<'a>(records: impl Iterator<Item = &'a Record>) -> Cost {
    let there = records.filter(|record| record.phase < super::Phase::Gone);
    there.fold(Cost::default(), |sum, record| sum.plus(Cost::of(&record.spec)))
}
