//! Pushes the runner application into a guest that waits for it.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Executor, Order, fault, since};
use crate::application::Cached;
use crate::guest::{application, paths};
use crate::lxd::{Error, ErrorKind, FileOptions};
use crate::manager::command::Input;
use crate::model::{Action, Event, Fault, Record};

impl Executor {
    /// Begins a push that ends early when it is broken off.
    ///
    /// LXD stops no instance while a file is being written into it.
    pub(in crate::manager) fn install(&self, order: Order, broken_off: CancellationToken) {
        let this = self.clone();
        self.spawn(async move {
            let id = order.record.id().clone();
            let push = async {
                this.application_is_there().await;
                this.act(order).await
            };
            let done = broken_off.run_until_cancelled(push).await;
            let event = done.unwrap_or_else(|| {
                Event::InstallFailed(Fault { transient: true, message: "it was broken off".into() })
            });
            Input::Answer(id, Action::Install, event)
        });
    }

    pub(super) async fn push_application(&self, record: &Record) -> Event {
        let Some(cached) = self.place.application.borrow().clone() else {
            let message = "the host has no runner application".to_owned();
            return Event::InstallFailed(Fault { transient: true, message });
        };
        let begin = Instant::now();
        match self.try_push(record, &cached).await {
            Ok(()) => Event::Installed { version: cached.version.clone(), took: since(begin) },
            Err(error) => Event::InstallFailed(Fault {
                transient: may_pass(&error),
                message: fault(&error).message,
            }),
        }
    }

    /// Waits as long as the host is still fetching it. Where nobody fetches it there is nothing to
    /// wait for.
    async fn application_is_there(&self) {
        let mut application = self.place.application.clone();
        drop(application.wait_for(Option::is_some).await);
    }

    async fn try_push(&self, record: &Record, cached: &Cached) -> Result<(), Error> {
        let (client, name) = (&self.place.client, record.name.to_string());
        let directory = FileOptions { mode: 0o700, ..FileOptions::PRIVATE };
        client.push_directory(&name, paths::INCOMING, directory).await?;
        let private = FileOptions::PRIVATE;
        client.push_file_from(&name, application::ARCHIVE, &cached.path, private).await?;
        let mark = application::mark(&cached.sha256);
        client.push_file(&name, application::COMPLETE, mark, private).await
    }
}

/// Whether a guest that boots may take the push later. Few things are for good: a guest that has gone
/// is seen to be, and whatever else is in the way, the deadline for its boot decides.
fn may_pass(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::PoolFull { .. } | ErrorKind::PermissionDenied { .. })
}
