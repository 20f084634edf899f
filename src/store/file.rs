//! The database file: made, opened, and put aside when it cannot be read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageError};

use super::{SetAside, StoreError};

/// redb's default of 1 GiB is far more than a few hundred records need.
const CACHE: usize = 1 << 20;

pub(super) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| StoreError::io("make the directory", dir, source))
}

/// Opens the database, made if missing. One that cannot be read is put aside and begun anew.
///
/// The caller holds the pid lock, so nobody else renames or makes the file meanwhile.
pub(super) fn open_or_put_aside(
    path: &Path,
    now: Timestamp,
) -> Result<(Database, Option<SetAside>), StoreError> {
    let reason = match create(path) {
        Ok(database) => {
            sync_dir(path)?;
            return Ok((database, None));
        }
        Err(error) => damage(error, path)?,
    };
    let kept_at = put_aside(path, now)?;
    let database =
        create(path).map_err(|source| StoreError::database("open", path, source.into()))?;
    sync_dir(path)?;
    Ok((database, Some(SetAside::File { kept_at, reason })))
}

/// Opens a database that is there; one that has vanished is not made anew.
pub(super) fn open_existing(path: &Path) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    builder().create_with_backend(FileBackend::new(file)?)
}

fn create(path: &Path) -> Result<Database, DatabaseError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    builder().create_with_backend(FileBackend::new(options.open(path)?)?)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Without the check, damage may be met as a panic in the middle of some later transaction.
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// What is wrong with the file's content, or the error if something else is.
fn damage(error: DatabaseError, path: &Path) -> Result<String, StoreError> {
    if let DatabaseError::Storage(StorageError::Corrupted(reason)) = error {
        return Ok(reason);
    }
    if let DatabaseError::Storage(StorageError::Io(source)) = &error
        && matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
    {
        return Ok(source.to_string());
    }
    if let DatabaseError::UpgradeRequired(format) = error {
        return Err(StoreError::FileFormat { path: path.to_owned(), format });
    }
    if let DatabaseError::DatabaseAlreadyOpen = error {
        let dir = path.parent().unwrap_or(path).to_owned();
        return Err(StoreError::AlreadyRunning { dir, pid: None });
    }
    Err(StoreError::database("open", path, error.into()))
}

fn put_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let named = |n: u32| {
        let suffix = if n == 0 { String::new() } else { format!("-{n}") };
        path.with_file_name(format!("larm.redb.damaged-{stamp}{suffix}"))
    };
    // Never over another one: a damaged file may be all that is left of something.
    let kept_at = (0..100).map(named).find(|name| !name.exists()).unwrap_or_else(|| named(100));
    fs::rename(path, &kept_at)
        .map_err(|source| StoreError::io("put aside the damaged store", path, source))?;
    Ok(kept_at)
}

fn sync_dir(path: &Path) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or(path);
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| StoreError::io("write the directory", dir, source))
}
