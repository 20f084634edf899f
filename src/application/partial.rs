//! What has come of an archive so far: a file that grows, its SHA-256, and what the server called
//! that content.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::error::FetchErrorKind;

/// A validator is one header's value; servers' have less than a hundred characters.
const LONGEST_VALIDATOR: usize = 1024;

/// What has come of an archive so far.
pub(super) struct Partial {
    path: PathBuf,
    validator_path: PathBuf,
    file: File,
    hash: Sha256,
    len: u64,
}

impl Partial {
    /// Opens what an earlier try has left, or begins anew.
    pub(super) async fn open(path: PathBuf) -> Result<Self, FetchErrorKind> {
        let opened = OpenOptions::new().append(true).create(true).open(&path).await;
        let file = opened.map_err(|error| FetchErrorKind::disk("open", &path, error))?;
        let (hash, len) = digest(&path).await?;
        let validator_path = path.with_extension("validator");
        Ok(Self { path, validator_path, file, hash, len })
    }

    /// How many bytes are there.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The SHA-256 of what is there, in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        hex(&self.hash)
    }

    /// What the server called the content that this is the beginning of.
    pub(super) async fn validator(&self) -> Option<String> {
        let text = fs::read_to_string(&self.validator_path).await.ok()?;
        (!text.is_empty() && text.len() <= LONGEST_VALIDATOR).then_some(text)
    }

    /// Empties it, for content that the server calls so.
    pub(super) async fn begin(&mut self, validator: Option<&str>) -> Result<(), FetchErrorKind> {
        self.check("empty", self.file.set_len(0).await)?;
        (self.hash, self.len) = (Sha256::new(), 0);
        let validator = validator.unwrap_or_default();
        let written = fs::write(&self.validator_path, validator).await;
        written.map_err(|error| FetchErrorKind::disk("write", &self.validator_path, error))
    }

    /// Adds what came.
    pub(super) async fn add(&mut self, bytes: &[u8]) -> Result<(), FetchErrorKind> {
        let written = self.file.write_all(bytes).await;
        self.check("write", written)?;
        self.hash.update(bytes);
        self.len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Waits for the last write, whose failure would be lost else.
    pub(super) async fn flush(&mut self) -> Result<(), FetchErrorKind> {
        let flushed = self.file.flush().await;
        self.check("write", flushed)
    }

    /// Gives it its final name, on disk before the name is.
    pub(super) async fn finish(self, path: &Path) -> Result<(), FetchErrorKind> {
        self.check("write", self.file.sync_all().await)?;
        self.check("rename", fs::rename(&self.path, path).await)?;
        drop(fs::remove_file(&self.validator_path).await);
        let dir = path.parent().unwrap_or(path);
        let synced = async { File::open(dir).await?.sync_all().await };
        synced.await.map_err(|error| FetchErrorKind::disk("write", dir, error))
    }

    /// Removes it.
    pub(super) async fn discard(self) -> Result<(), FetchErrorKind> {
        drop(fs::remove_file(&self.validator_path).await);
        self.check("remove", fs::remove_file(&self.path).await)
    }

    fn check<T>(
        &self,
        doing: &'static str,
        result: std::io::Result<T>,
    ) -> Result<T, FetchErrorKind> {
        result.map_err(|error| FetchErrorKind::disk(doing, &self.path, error))
    }
}

/// A file's SHA-256 so far, and its length.
pub(super) async fn digest(path: &Path) -> Result<(Sha256, u64), FetchErrorKind> {
    let path = path.to_owned();
    let failed = |path: &Path, error| FetchErrorKind::disk("read", path, error);
    let place = path.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(&place)?;
        let (mut hash, mut len) = (Sha256::new(), 0_u64);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = file.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok((hash, len));
            };
            hash.update(bytes);
            len = len.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
    });
    match read.await {
        Ok(result) => result.map_err(|error| failed(&path, error)),
        Err(error) => Err(failed(&path, std::io::Error::other(error))),
    }
}

/// A digest in hexadecimal.
pub(super) fn hex(hash: &Sha256) -> String {
    format!("{:x}", hash.clone().finalize())
}
