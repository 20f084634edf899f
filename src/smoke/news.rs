//! Tells what happens while a smoke run waits for something: the manager's journal, as it grows.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use super::SmokeError;
use super::timeline::{Moment, Timeline};
use crate::clock;
use crate::manager::{JournalQuery, LxdRunnerManager, ManagerError, View};

/// How many entries are read at once.
const PAGE: usize = 500;

/// What was told so far, and to whom.
pub(super) struct News<'a, Tell> {
    manager: &'a LxdRunnerManager,
    views: watch::Receiver<Arc<View>>,
    tell: Tell,
    /// The `seq` of the last entry.
    told: u64,
    timeline: Timeline,
}

impl<'a, Tell: FnMut(Moment)> News<'a, Tell> {
    pub(super) fn new(manager: &'a LxdRunnerManager, tell: Tell) -> Self {
        let timeline = Timeline::new(clock::now());
        Self { manager, views: manager.subscribe(), tell, told: 0, timeline }
    }

    /// Tells what happens until `done` is.
    pub(super) async fn tell_until<T>(
        &mut self,
        done: impl Future<Output = T>,
    ) -> Result<T, SmokeError> {
        tokio::pin!(done);
        loop {
            self.catch_up().await?;
            tokio::select! {
                biased;
                result = &mut done => return Ok(result),
                changed = self.views.changed() => changed.map_err(|_| ManagerError::Stopping)?,
            }
        }
    }

    /// Tells what there is left to tell, and gives all of it.
    pub(super) async fn tell_all(mut self) -> Result<Timeline, SmokeError> {
        self.catch_up().await?;
        Ok(self.timeline)
    }

    async fn catch_up(&mut self) -> Result<(), SmokeError> {
        while self.told < self.manager.view().journal_head {
            let query = JournalQuery { after: self.told, limit: PAGE, ..JournalQuery::default() };
            for entry in self.manager.journal(query).await? {
                self.told = self.told.max(entry.seq);
                if let Some(moment) = self.timeline.take(&entry) {
                    (self.tell)(moment);
                }
            }
        }
        Ok(())
    }
}
