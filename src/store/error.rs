//! Why the store could not be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("larm is already running on {} ({})", dir.display(), who(*pid))]
    AlreadyRunning {
        /// The state directory.
        dir: PathBuf,
        /// That process, where it could be told for certain.
        pid: Option<u32>,
    },
    /// A newer larm wrote it.
    #[error("{} has schema {found}, and this larm knows schemas up to {known}", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u64,
        /// The newest schema that this larm knows.
        known: u64,
    },
    /// The file is of a database format that this larm does not read.
    #[error("{} is of database format {format}, which this larm does not read", path.display())]
    FileFormat {
        /// The file.
        path: PathBuf,
        /// redb's file format version.
        format: u8,
    },
    /// A file or directory could not be used.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The database failed; nothing of the change is written.
    #[error("could not {doing} {}", path.display())]
    Database {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The database's words.
        source: Box<redb::Error>,
    },
    /// A record could not be written as JSON.
    #[error("could not encode the record of {subject}")]
    Encode {
        /// The runner.
        subject: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn database(doing: &'static str, path: &Path, source: redb::Error) -> Self {
        Self::Database { doing, path: path.to_owned(), source: Box::new(source) }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::AlreadyRunning { pid: Some(pid), .. } => Some(format!(
                "`larm runner list` asks the larm that runs; to end it: `systemctl stop larm`, or `kill {pid}`"
            )),
            Self::AlreadyRunning { pid: None, .. } => Some(
                "`larm runner list` asks the larm that runs; use another `state_dir` for a second one"
                    .to_owned(),
            ),
            Self::NewerSchema { path, .. } | Self::FileFormat { path, .. } => Some(format!(
                "install the larm that wrote it, or move {} away: the runners there are will be found in LXD again",
                path.display()
            )),
            Self::Io { source, .. } => hint_of_io(source),
            Self::Database { source, .. } => {
                if let redb::Error::Io(source) = source.as_ref() { hint_of_io(source) } else { None }
            }
            Self::Encode { .. } | Self::Closed => None,
        }
    }

    /// Whether trying again later may help: the disk was full or could not be written.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { .. } => true,
            Self::Database { source, .. } => {
                matches!(source.as_ref(), redb::Error::Io(_) | redb::Error::PreviousIo)
            }
            Self::AlreadyRunning { .. }
            | Self::NewerSchema { .. }
            | Self::FileFormat { .. }
            | Self::Encode { .. }
            | Self::Closed => false,
        }
    }
}

fn who(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"))
}

fn hint_of_io(error: &io::Error) -> Option<String> {
    use_first(&[
        (
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
            "free space on the disk of the state directory; larm goes on by itself",
        ),
        (
            error.kind() == io::ErrorKind::PermissionDenied,
            "run it as the user that owns the state directory, or set `state_dir`",
        ),
        (
            error.kind() == io::ErrorKind::ReadOnlyFilesystem,
            "set `state_dir` to a directory that can be written",
        ),
    ])
}

fn use_first(hints: &[(bool, &str)]) -> Option<String> {
    hints.iter().find(|(fits, _)| *fits).map(|(_, hint)| (*hint).to_owned())
}
