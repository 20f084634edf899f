//! What runs beside the requests until the daemon is told to stop.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::isolation::{Keeper, Wanted};
use crate::config::Settings;
use crate::export::{self, ExportOptions};
use crate::lxd::Client;
use crate::manager::{LxdRunnerManager, Running};
use crate::metrics::{self, Metrics};

/// Tasks that end when the daemon is told to stop.
#[derive(Debug, Default)]
pub(super) struct Background {
    pub(super) tasks: TaskTracker,
    pub(super) end: CancellationToken,
}

impl Background {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.end.clone().run_until_cancelled_owned(task));
    }

    /// Keeps what guests may reach; the first try is over when this returns.
    pub(super) async fn isolate(
        &self,
        settings: &Settings,
        client: Client,
    ) -> watch::Sender<Arc<Wanted>> {
        let (sender, wanted) = watch::channel(Arc::new(Wanted::of(settings)));
        let mut keeper = Keeper::new(client, wanted);
        keeper.prepare().await;
        self.spawn(keeper.keep());
        sender
    }

    /// Counts what is written to the journal, and writes the metric events among it to a file.
    pub(super) fn follow_journal(
        &self,
        settings: &Settings,
        manager: &LxdRunnerManager,
        running: &Running,
        metrics: &Metrics,
    ) {
        let options = ExportOptions {
            file: settings.events_file(),
            state_dir: settings.state_dir.clone(),
            max_size: settings.events.max_size,
            keep: usize::from(settings.events.keep),
        };
        self.spawn(export::follow(options, manager.clone()));
        self.spawn(metrics::follow(metrics.clone(), manager.clone(), running.journal_head()));
    }
}
