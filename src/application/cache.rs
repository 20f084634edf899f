//! A directory of archives: fetched once, whoever asks for them and how often.
//!
//! ```text
//! VERSION-SHA256.archive     whole, and never changed
//! VERSION-SHA256.partial     on its way
//! VERSION-SHA256.validator   what the server called its content
//! lock                       held by whoever fetches or prunes
//! ```

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::fs;
use tokio::time::sleep;

use super::choice::numbers;
use super::download::{Bounds, Origin, download};
use super::entry::{Cached, Progress, Wanted, named};
use super::error::{FetchError, FetchErrorKind};
use super::partial::{Partial, digest, hex};

/// How often whoever waits for another's fetch looks whether it has ended.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// How archives are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// The most bytes that an archive may have.
    pub most_bytes: u64,
    /// How long nothing may come before a try has failed. There is no limit for the whole.
    pub stall: Duration,
    /// The pauses between tries, each of which goes on where the last one broke off.
    pub pauses: [Duration; 3],
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            most_bytes: 1 << 30,
            stall: Duration::from_mins(1),
            pauses: [1, 4, 15].map(Duration::from_secs),
        }
    }
}

/// A directory of archives. Clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    options: CacheOptions,
    /// Those whose content this process has seen to be right.
    verified: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Cache {
    /// A cache in `dir`, which need not be there yet.
    pub fn new(dir: PathBuf, options: CacheOptions) -> Self {
        Self { dir, options, verified: Arc::default() }
    }

    /// Gets an archive: out of the cache if it is there and whole, else by HTTP. Whoever wants the
    /// same at the same time, in this process or another, waits and gets it too.
    ///
    /// It may be given up at any point; the next one goes on from there.
    ///
    /// # Errors
    /// [`FetchError`], after a few tries where a try may help.
    pub async fn fetch(
        &self,
        wanted: &Wanted,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Cached, FetchError> {
        let fetched = Box::pin(self.try_fetch(wanted, progress)).await;
        fetched.map_err(|kind| FetchError { url: wanted.url.clone(), kind })
    }

    /// The whole archives that are there, in the order of their versions. They are not verified.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub async fn list(&self) -> io::Result<Vec<Cached>> {
        let whole = self.files().await?.into_iter().filter(|(_, is_whole)| *is_whole);
        let mut found: Vec<_> = whole.map(|(one, _)| one).collect();
        found.sort_by_cached_key(|one| (numbers(&one.version), one.path.clone()));
        Ok(found)
    }

    /// Removes all archives but those of the versions in `keep`, and what of others was on its
    /// way; tells which archives were removed. A push that is under way goes on.
    ///
    /// # Errors
    /// If a file cannot be removed, or the directory not be read.
    pub async fn prune(&self, keep: &BTreeSet<String>) -> io::Result<Vec<Cached>> {
        let files = self.files().await?;
        if files.iter().all(|(one, _)| keep.contains(&one.version)) {
            return Ok(Vec::new());
        }
        let _lock = self.lock().await?;
        let mut removed = Vec::new();
        for (one, is_whole) in files {
            if keep.contains(&one.version) {
                continue;
            }
            match fs::remove_file(&one.path).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) if is_whole => removed.push(one),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(removed)
    }

    async fn files(&self) -> io::Result<Vec<(Cached, bool)>> {
        let mut entries = match fs::read_dir(&self.dir).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            files.extend(named(entry.path()));
        }
        Ok(files)
    }

    async fn try_fetch(
        &self,
        wanted: &Wanted,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Cached, FetchErrorKind> {
        if let Some(fault) = wanted.fault() {
            return Err(FetchErrorKind::Wanted(fault));
        }
        let made = fs::create_dir_all(&self.dir).await;
        made.map_err(|error| FetchErrorKind::disk("make", &self.dir, error))?;
        let locked = self.lock().await;
        let _lock = locked.map_err(|error| FetchErrorKind::disk("lock", &self.dir, error))?;
        let cached = wanted.cached(&self.dir);
        if self.is_whole(&cached).await? {
            return Ok(cached);
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .user_agent(concat!("larm/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(FetchErrorKind::Client)?;
        let mut pauses = self.options.pauses.into_iter();
        loop {
            match self.attempt(&client, wanted, &cached, &mut progress).await {
                Ok(()) => {
                    self.verified().insert(cached.path.clone());
                    return Ok(cached);
                }
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => match pauses.next() {
                    None => return Err(error),
                    Some(pause) => {
                        tracing::info!(url = wanted.url, %error, "the fetch is tried again");
                        sleep(pause).await;
                    }
                },
            }
        }
    }

    async fn attempt(
        &self,
        client: &Client,
        wanted: &Wanted,
        cached: &Cached,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), FetchErrorKind> {
        let bounds = Bounds { size: self.options.most_bytes, stall: self.options.stall };
        let mut partial = Partial::open(wanted.partial(&self.dir)).await?;
        // All of it may have come before an earlier process ended.
        let mut origin = Origin::Resumed;
        while partial.sha256() != wanted.sha256 {
            origin = match download(client, wanted, &mut partial, bounds, progress).await {
                Ok(origin) => origin,
                Err(error @ FetchErrorKind::TooLarge(_)) => {
                    partial.discard().await?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
            let found = partial.sha256();
            if found == wanted.sha256 {
                break;
            }
            if origin == Origin::Fresh {
                partial.discard().await?;
                return Err(FetchErrorKind::Checksum { wanted: wanted.sha256.clone(), found });
            }
            // The beginning may be of other content than the end: all of it anew decides.
            partial.begin(None).await?;
        }
        tracing::debug!(version = wanted.version, bytes = partial.len(), ?origin, "fetched");
        partial.finish(&cached.path).await
    }

    /// Whether it is there with the right content; one with another content is removed.
    async fn is_whole(&self, cached: &Cached) -> Result<bool, FetchErrorKind> {
        let path = &cached.path;
        let there = fs::try_exists(path).await;
        if !there.map_err(|error| FetchErrorKind::disk("read", path, error))? {
            return Ok(false);
        }
        if self.verified().contains(path) {
            return Ok(true);
        }
        let (hash, _) = digest(path).await?;
        if hex(&hash) == cached.sha256 {
            self.verified().insert(path.clone());
            return Ok(true);
        }
        tracing::warn!(path = %path.display(), "an archive is damaged: it is fetched again");
        let removed = fs::remove_file(path).await;
        removed.map_err(|error| FetchErrorKind::disk("remove", path, error))?;
        Ok(false)
    }

    /// Waits for its turn. The lock goes with the file that is returned; it belongs to that opened
    /// file, so that tasks of one process exclude each other as processes do.
    async fn lock(&self) -> io::Result<std::fs::File> {
        let path = self.dir.join("lock");
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(&path).await?;
        let file = file.into_std().await;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn verified(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
