//! The logs of runners, as callers get them: of the dead what was kept, of the living what their
//! guests have now.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;

use super::command::Command;
use super::follow::Followed;
use super::log_reader::{WHY, masked};
use super::{LxdRunnerManager, ManagerError};
use crate::guest::logs;
use crate::model::{InstanceName, Phase, Record, RunnerId};

/// A log that was kept of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// The file's name, like `console.log`.
    pub name: String,
    /// Where it is kept.
    pub path: PathBuf,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunnerLog {
    /// It was kept.
    Kept(LogFile),
    /// It was read just now.
    Read(Vec<u8>),
}

impl LxdRunnerManager {
    /// The logs that were kept of a runner, whether it is remembered or not.
    pub async fn logs(&self, id: &RunnerId) -> Result<Vec<LogFile>, ManagerError> {
        let name = match self.record(id) {
            Ok(record) => record.name.clone(),
            Err(_) => InstanceName::new(self.prefix.clone(), id.clone()),
        };
        self.logs.kept.of(&name).await.map_err(|error| ManagerError::Store(error.to_string()))
    }

    /// The runners of which logs are kept and whose ids begin so.
    pub async fn with_logs(&self, begin: &str) -> Result<Vec<RunnerId>, ManagerError> {
        let kept = self.logs.kept.runners().await;
        let kept = kept.map_err(|error| ManagerError::Store(error.to_string()))?.into_iter();
        let ours = kept.filter(|name| *name.prefix() == self.prefix);
        Ok(ours.map(|name| name.id().clone()).filter(|id| id.as_str().starts_with(begin)).collect())
    }

    /// The names of a runner's logs: of one that has not ended those that its guest is asked for.
    pub async fn log_names(&self, id: &RunnerId) -> Result<Vec<String>, ManagerError> {
        if self.living(id).is_some() {
            return Ok(logs::NAMES.into_iter().chain([WHY]).map(str::to_owned).collect());
        }
        Ok(self.logs(id).await?.into_iter().map(|log| log.name).collect())
    }

    /// One of a runner's logs, or `None` if it has none of this name.
    ///
    /// # Errors
    /// If the guest of one that lives could not be asked.
    pub async fn log(&self, id: &RunnerId, name: &str) -> Result<Option<RunnerLog>, ManagerError> {
        let Some(record) = self.living(id) else {
            let kept = self.logs(id).await?.into_iter().find(|log| log.name == name);
            return Ok(kept.map(RunnerLog::Kept));
        };
        if name == WHY {
            return Ok(Some(RunnerLog::Read(self.logs.why(&record).await)));
        }
        if !logs::NAMES.contains(&name) {
            return Ok(None);
        }
        let found = self.logs.in_guest(&record.name, &[name]).await.map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            ManagerError::Lxd { message: error.to_string(), hint }
        })?;
        let text = found.into_iter().next().map(|log| log.text).unwrap_or_default();
        Ok(Some(RunnerLog::Read(masked(text, &[]).await)))
    }

    /// A runner's log as it grows, to its end.
    pub fn follow_log(&self, id: &RunnerId) -> Followed {
        Followed::new(self.logs.client.clone(), self.view.clone(), id.clone())
    }

    /// Holds a runner's instance for so long once it has ended; `None` lets go of it.
    pub async fn hold(
        &self,
        id: &RunnerId,
        length: Option<SignedDuration>,
    ) -> Result<(), ManagerError> {
        self.ask(|reply| Command::Hold { id: id.clone(), length, reply }).await
    }

    fn living(&self, id: &RunnerId) -> Option<Arc<Record>> {
        self.record(id).ok().filter(|record| record.phase < Phase::Finished)
    }
}
