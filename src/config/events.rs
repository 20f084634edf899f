//! `[events]`: the file that metric events are written to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::size::Bytes;
use super::value::AbsolutePath;

const MAX_SIZE: u64 = 64 << 20;
const KEEP: u8 = 4;

/// The file that metric events are written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventsSettings {
    /// The file; `events.jsonl` in the state directory without it.
    pub file: Option<PathBuf>,
    /// The largest that it becomes before it is rotated, in bytes.
    pub max_size: u64,
    /// How many rotated files are kept.
    pub keep: u8,
}

/// `[events]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EventsFragment {
    file: Option<AbsolutePath>,
    max_size: Option<Bytes>,
    keep: Option<u8>,
}

impl EventsFragment {
    pub(super) fn merge(&mut self, later: Self) {
        merge!(self, later: file, max_size, keep);
    }

    pub(super) fn into_settings(self) -> EventsSettings {
        EventsSettings {
            file: self.file.map(|file| file.0),
            max_size: self.max_size.map_or(MAX_SIZE, |size| size.0),
            keep: self.keep.unwrap_or(KEEP),
        }
    }
}
