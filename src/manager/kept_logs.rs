//! The logs that are kept of runners that ended badly, on the host's disk: one folder a runner,
//! bounded by age, number and size.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::fs;
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

use super::LogFile;
use crate::model::InstanceName;

/// How much is kept; the oldest goes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBounds {
    /// For how long.
    pub age: Duration,
    /// How many bytes in all.
    pub size: u64,
    /// Of how many runners.
    pub runners: usize,
    /// How many bytes of one log.
    pub file: usize,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self { age: Duration::from_hours(7 * 24), size: 1 << 30, runners: 200, file: 512 << 10 }
    }
}

/// Where logs are kept.
#[derive(Debug, Clone)]
pub(super) struct KeptLogs {
    root: PathBuf,
    pub(super) bounds: LogBounds,
    /// One prunes at a time.
    pruning: Arc<Mutex<()>>,
}

/// What is kept of one runner.
struct Folder {
    changed: SystemTime,
    size: u64,
    path: PathBuf,
}

impl KeptLogs {
    /// Logs below `root`, which is made when the first one is kept.
    pub(super) fn new(root: PathBuf, bounds: LogBounds) -> Self {
        Self { root, bounds, pruning: Arc::default() }
    }

    /// Keeps one log of a runner; a log that was kept before under this name is replaced.
    pub(super) async fn keep(
        &self,
        runner: &InstanceName,
        name: &str,
        text: &[u8],
    ) -> io::Result<()> {
        let folder = self.root.join(runner.to_string());
        let mut maker = fs::DirBuilder::new();
        maker.recursive(true).mode(0o700).create(&folder).await?;
        // One that an older larm made may be open to others.
        fs::set_permissions(&self.root, PermissionsExt::from_mode(0o700)).await?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(folder.join(name)).await?;
        file.write_all(text).await?;
        file.flush().await
    }

    /// The logs that were kept of a runner, by name.
    pub(super) async fn of(&self, runner: &InstanceName) -> io::Result<Vec<LogFile>> {
        let folder = self.root.join(runner.to_string());
        let mut found: Vec<LogFile> = entries(&folder)
            .await?
            .into_iter()
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?.to_owned();
                Some(LogFile { name, path })
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The runners of which logs are kept.
    pub(super) async fn runners(&self) -> io::Result<Vec<InstanceName>> {
        let folders = entries(&self.root).await?.into_iter();
        Ok(folders.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect())
    }

    /// Deletes what is too old or too much, the oldest runner's first.
    pub(super) async fn prune(&self, now: Timestamp) {
        let _one_at_a_time = self.pruning.lock().await;
        if let Err(error) = self.try_prune(system_time(now)).await {
            tracing::warn!(folder = %self.root.display(), %error, "old logs were not pruned");
        }
    }

    async fn try_prune(&self, now: SystemTime) -> io::Result<()> {
        let mut folders = Vec::new();
        for path in entries(&self.root).await? {
            folders.extend(look(path).await?);
        }
        folders.sort_by_key(|folder| folder.changed);
        let mut count = folders.len();
        let mut size: u64 = folders.iter().map(|folder| folder.size).sum();
        for folder in folders {
            let age = now.duration_since(folder.changed).unwrap_or_default();
            let surplus = count > self.bounds.runners || size > self.bounds.size;
            if age <= self.bounds.age && !surplus {
                break;
            }
            forgiving(fs::remove_dir_all(&folder.path).await)?;
            count = count.saturating_sub(1);
            size = size.saturating_sub(folder.size);
        }
        Ok(())
    }
}

/// As files have it.
fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(at.as_duration().unsigned_abs())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// `None` for what is no folder, or is gone.
async fn look(path: PathBuf) -> io::Result<Option<Folder>> {
    let Some(folder) = forgiving(fs::symlink_metadata(&path).await)? else { return Ok(None) };
    if !folder.is_dir() {
        return Ok(None);
    }
    let (mut changed, mut size) = (folder.modified()?, 0);
    for file in entries(&path).await? {
        let Some(file) = forgiving(fs::symlink_metadata(file).await)? else { continue };
        changed = changed.max(file.modified()?);
        size += file.len();
    }
    Ok(Some(Folder { changed, size, path }))
}

/// What is not there any more is no failure.
fn forgiving<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(mut reader) = forgiving(fs::read_dir(folder).await)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().await? {
        found.push(entry.path());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> InstanceName {
        format!("larm-{n:012x}").parse().unwrap()
    }

    /// Keeps ten bytes of each of ten runners, the first an hour before the second and so on.
    async fn ten(bounds: LogBounds) -> (tempfile::TempDir, KeptLogs, Timestamp) {
        let folder = tempfile::tempdir().unwrap();
        let logs = KeptLogs::new(folder.path().join("logs"), bounds);
        assert_eq!(logs.of(&name(0)).await.unwrap(), vec![]);
        let now = crate::clock::now();
        for n in 0..10u32 {
            let runner = name(usize::try_from(n).unwrap());
            logs.keep(&runner, "console.log", b"0123456789").await.unwrap();
            let at = system_time(now) - Duration::from_hours(u64::from(10 - n));
            let folder = folder.path().join("logs").join(runner.to_string());
            for path in [folder.join("console.log"), folder] {
                std::fs::File::open(path).unwrap().set_modified(at).unwrap();
            }
        }
        (folder, logs, now)
    }

    async fn left(logs: &KeptLogs) -> Vec<InstanceName> {
        let mut left = logs.runners().await.unwrap();
        left.sort_by_key(ToString::to_string);
        left
    }

    #[tokio::test]
    async fn too_many_too_old_and_too_much_go_the_oldest_first() {
        let whole = LogBounds::default();
        let week = whole.age;
        for (bounds, first) in [
            (LogBounds { ..whole.clone() }, 0),
            (LogBounds { runners: 4, ..whole.clone() }, 6),
            (LogBounds { size: 35, ..whole.clone() }, 7),
            (LogBounds { size: 0, ..whole.clone() }, 10),
            (LogBounds { age: Duration::from_mins(150), ..whole.clone() }, 8),
        ] {
            let (_folder, logs, now) = ten(bounds.clone()).await;
            logs.prune(now).await;
            assert_eq!(left(&logs).await, (first..10).map(name).collect::<Vec<_>>(), "{bounds:?}");
        }
        let (_folder, logs, now) = ten(whole).await;
        logs.prune(now + week).await;
        assert_eq!(left(&logs).await, []);
    }

    #[tokio::test]
    async fn nobody_else_may_read_them() {
        let (folder, logs, _) = ten(LogBounds::default()).await;
        let root = folder.path().join("logs");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root), 0o700);
        let one = logs.of(&name(3)).await.unwrap().remove(0);
        assert_eq!((mode(one.path.parent().unwrap()), mode(&one.path)), (0o700, 0o600));
    }
}
