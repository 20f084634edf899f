//! `[logs]`: how much is kept of what dead runners left.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::fragment::NonZero16;
use super::size::Bytes;
use super::value::Length;

const KEEP: Duration = Duration::from_hours(7 * 24);
const MAX_SIZE: u64 = 1 << 30;
const MAX_RUNNERS: usize = 200;
const FILE_SIZE: u64 = 512 << 10;
/// What is read of a guest is held in memory: more is a slip of the hand.
const LARGEST_FILE: u64 = 4 << 20;

/// How much is kept of what dead runners left. The oldest goes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogSettings {
    /// For how long.
    #[serde(serialize_with = "seconds")]
    pub keep: Duration,
    /// How many bytes all of it may have.
    pub max_size: u64,
    /// Of how many runners.
    pub max_runners: usize,
    /// How many bytes one log may have; its end is kept.
    pub file_size: u64,
}

/// `[logs]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogsFragment {
    keep: Option<Length>,
    max_size: Option<Bytes>,
    max_runners: Option<NonZero16>,
    file_size: Option<FileSize>,
}

/// A size from 1 KiB to [`LARGEST_FILE`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Bytes")]
struct FileSize(u64);

impl TryFrom<Bytes> for FileSize {
    type Error = String;

    fn try_from(size: Bytes) -> Result<Self, String> {
        if (1024..=LARGEST_FILE).contains(&size.0) {
            return Ok(Self(size.0));
        }
        Err("the size of one log is between 1KiB and 4MiB".to_owned())
    }
}

impl LogsFragment {
    pub(super) fn merge(&mut self, later: &Self) {
        merge!(self, later: keep, max_size, max_runners, file_size);
    }

    pub(super) fn into_settings(self) -> LogSettings {
        LogSettings {
            keep: self.keep.map_or(KEEP, Length::unsigned),
            max_size: self.max_size.map_or(MAX_SIZE, |size| size.0),
            max_runners: self.max_runners.map_or(MAX_RUNNERS, usize::from),
            file_size: self.file_size.map_or(FILE_SIZE, |size| size.0),
        }
    }
}

fn seconds<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(length.as_secs())
}
