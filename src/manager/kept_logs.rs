//! The logs that are kept of runners that failed, on the host's disk and bounded.

use std::io;
use std::path::{Path, PathBuf};

use super::LogFile;
use crate::model::InstanceName;

/// For how many runners logs are kept; the oldest go first.
const RUNNERS: usize = 200;

/// Where logs are kept: one folder a runner.
#[derive(Debug, Clone)]
pub(super) struct KeptLogs {
    root: PathBuf,
}

impl KeptLogs {
    /// Logs below `root`, which is made when the first one is kept.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Keeps one log of a runner; a log that was kept before under this name is replaced.
    pub(super) async fn keep(
        &self,
        runner: &InstanceName,
        name: &str,
        text: &[u8],
    ) -> io::Result<()> {
        let folder = self.root.join(runner.to_string());
        tokio::fs::create_dir_all(&folder).await?;
        tokio::fs::write(folder.join(name), text).await?;
        self.prune().await
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

    async fn prune(&self) -> io::Result<()> {
        let folders = entries(&self.root).await?;
        let surplus = folders.len().saturating_sub(RUNNERS);
        if surplus == 0 {
            return Ok(());
        }
        let mut aged = Vec::with_capacity(folders.len());
        for folder in folders {
            aged.push((tokio::fs::metadata(&folder).await?.modified()?, folder));
        }
        aged.sort();
        for (_, folder) in aged.into_iter().take(surplus) {
            tokio::fs::remove_dir_all(folder).await?;
        }
        Ok(())
    }
}

async fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut reader = match tokio::fs::read_dir(folder).await {
        Ok(reader) => reader,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().await? {
        found.push(entry.path());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_runners_logs_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let logs = KeptLogs::new(folder.path().join("logs"));
        let name = |n: usize| format!("larm-{n:012x}").parse::<InstanceName>().unwrap();
        assert_eq!(logs.of(&name(0)).await.unwrap(), vec![]);
        for n in 0..=RUNNERS {
            logs.keep(&name(n), "console.log", b"boot").await.unwrap();
        }
        let kept = entries(&folder.path().join("logs")).await.unwrap().len();
        assert_eq!(kept, RUNNERS);
        assert_eq!(logs.of(&name(RUNNERS)).await.unwrap().len(), 1);
    }
}
