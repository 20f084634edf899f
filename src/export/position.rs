//! How far the events file is up to the journal.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How far a file is up to the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The last journal entry that counts.
    pub(super) seq: u64,
    device: u64,
    inode: u64,
    /// Its length with that, in bytes.
    pub(super) length: u64,
}

impl Position {
    /// Up to `seq`, in a file as it is now.
    pub(super) fn new(seq: u64, file: &Metadata) -> Self {
        Self { seq, device: file.dev(), inode: file.ino(), length: file.len() }
    }

    /// Whether it is about this file.
    pub(super) fn is_of(&self, file: &Metadata) -> bool {
        (self.device, self.inode) == (file.dev(), file.ino())
    }

    /// The position that was kept; the very beginning where there is none, or none that can be read.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Keeps it: the old one or the new one, whatever happens.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(new, path)
    }
}
