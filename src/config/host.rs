//! `[host]`: what runners may use of this machine.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::size::Bytes;
use crate::model::{Way, WayError};

const MEMORY_RESERVE: u64 = 2 << 30;
const DISK_RESERVE: u64 = 10 << 30;
const CPU_OVERCOMMIT: u32 = 4;
const CREATIONS_PER_MINUTE: u32 = 60;
/// The word for the fastest way that was measured.
pub(super) const AUTO: &str = "auto";

/// What runners may use of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostSettings {
    /// Memory that is kept for the host itself, in bytes.
    pub memory_reserve: u64,
    /// Space of the storage pool that is kept free, in bytes.
    pub disk_reserve: u64,
    /// How many CPUs runners get in all, for each CPU of the host.
    pub cpu_overcommit: u32,
    /// How many runners may be created within a minute.
    pub creations_per_minute: u32,
    /// How instances come to their root disk; the fastest one that was measured without it.
    pub creation: Option<Way>,
}

/// `[host] creation` as written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Creation(Option<Way>);

impl TryFrom<String> for Creation {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        if word == AUTO {
            return Ok(Self(None));
        }
        word.parse()
            .map(|way| Self(Some(way)))
            .map_err(|error: WayError| format!("{error}, or {AUTO}"))
    }
}

/// `[host]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HostFragment {
    memory_reserve: Option<Bytes>,
    disk_reserve: Option<Bytes>,
    cpu_overcommit: Option<NonZeroU32>,
    creations_per_minute: Option<NonZeroU32>,
    creation: Option<Creation>,
}

impl HostFragment {
    pub(super) fn merge(&mut self, later: &Self) {
        merge!(self, later: memory_reserve, disk_reserve, cpu_overcommit, creations_per_minute, creation);
    }

    pub(super) fn into_settings(self) -> HostSettings {
        let number = |given: Option<NonZeroU32>, default| given.map_or(default, NonZeroU32::get);
        HostSettings {
            memory_reserve: self.memory_reserve.map_or(MEMORY_RESERVE, |size| size.0),
            disk_reserve: self.disk_reserve.map_or(DISK_RESERVE, |size| size.0),
            cpu_overcommit: number(self.cpu_overcommit, CPU_OVERCOMMIT),
            creations_per_minute: number(self.creations_per_minute, CREATIONS_PER_MINUTE),
            creation: self.creation.and_then(|written| written.0),
        }
    }
}
