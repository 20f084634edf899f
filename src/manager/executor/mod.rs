//! Does one action and sends back one answer. Decides nothing, and knows no other runner.

mod creating;
mod ending;
mod freezing;
mod handing_over;
mod installing;
mod looking;
mod places;
mod registering;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::command::Input;
use super::log_reader::LogReader;
use super::options::{Parallel, Workplace};
use crate::clock;
use crate::guest::Credential;
use crate::lxd::{self, Exec};
use crate::model::{Action, Event, Fault, InstanceName, Record};
use places::Places;

/// The pauses between tries to remove an orphan that LXD is busy with.
const ORPHAN_PAUSES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(4)];

/// Does actions.
#[derive(Debug, Clone)]
pub(super) struct Executor {
    place: Workplace,
    pub(super) reader: LogReader,
    inputs: mpsc::Sender<Input>,
    tracker: TaskTracker,
    stop: CancellationToken,
    places: Places,
}

/// One action on one runner.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) record: Arc<Record>,
    pub(super) action: Action,
    pub(super) credential: Option<Credential>,
    pub(super) remove_token: Option<SecretString>,
}

/// Secrets that a runner's logs may hold, as far as larm still knows them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secrets<'a> {
    credential: Option<&'a Credential>,
    remove_token: Option<&'a SecretString>,
}

impl Secrets<'_> {
    /// All that are known.
    fn all(self) -> Vec<SecretString> {
        let credential = self.credential.map(|credential| match credential {
            Credential::Jit(jit) => jit,
            Credential::RegistrationToken { token, .. } => token,
        });
        credential.into_iter().chain(self.remove_token).cloned().collect()
    }
}

impl Order {
    fn secrets(&self) -> Secrets<'_> {
        Secrets { credential: self.credential.as_ref(), remove_token: self.remove_token.as_ref() }
    }

    /// An action that needs no secret.
    pub(super) fn new(record: &Arc<Record>, action: Action) -> Self {
        Self { record: Arc::clone(record), action, credential: None, remove_token: None }
    }
}

impl Executor {
    pub(super) fn new(
        place: Workplace,
        reader: LogReader,
        inputs: mpsc::Sender<Input>,
        tracker: TaskTracker,
        stop: CancellationToken,
        parallel: Parallel,
    ) -> Self {
        let places = Places::new(parallel);
        Self { place, reader, inputs, tracker, stop, places }
    }

    /// Begins an action; its answer comes as an input.
    pub(super) fn run(&self, order: Order) {
        let this = self.clone();
        self.spawn(async move {
            let (id, action) = (order.record.id().clone(), order.action);
            let event = this.act(order).await;
            Input::Answer(id, action, event)
        });
    }

    /// Begins to keep what larm knows itself of a runner that is gone.
    pub(super) fn keep_why(&self, record: Arc<Record>) {
        let reader = self.reader.clone();
        self.tracker.spawn(self.stop.clone().run_until_cancelled_owned(async move {
            reader.keep_why(&record).await;
        }));
    }

    /// Begins to delete logs that are too old or too many.
    pub(super) fn prune_logs(&self) {
        let kept = self.reader.kept.clone();
        self.tracker.spawn(self.stop.clone().run_until_cancelled_owned(async move {
            kept.prune(clock::now()).await;
        }));
    }

    /// Begins to list our instances.
    pub(super) fn list(&self) {
        let this = self.clone();
        self.spawn(async move { Input::Listed(this.observe().await) });
    }

    /// Begins to remove an instance of ours whose runner was seen to be gone; what becomes of it
    /// comes as an input.
    pub(super) fn remove_orphan(&self, name: InstanceName) {
        let this = self.clone();
        self.spawn(async move {
            let result = this.try_remove_orphan(&name).await;
            Input::OrphanEnded(name, result)
        });
    }

    /// LXD tells of an instance while it is still busy making it.
    ///
    /// `false` if it was not there: the list in which it was seen is older than its removal.
    async fn try_remove_orphan(&self, name: &InstanceName) -> Result<bool, Fault> {
        if self.ours(name).await.is_ok_and(|found| found.is_none()) {
            return Ok(false);
        }
        let mut pauses = ORPHAN_PAUSES.into_iter();
        loop {
            let place = self.places.remove().await;
            let result = self.remove_instance(name).await;
            drop(place);
            let again = matches!(&result, Err(fault) if fault.transient);
            match pauses.next() {
                Some(pause) if again => tokio::time::sleep(pause).await,
                Some(_) | None => return result.map(|()| true),
            }
        }
    }

    fn spawn(&self, work: impl Future<Output = Input> + Send + 'static) {
        let this = self.clone();
        self.tracker.spawn(self.stop.clone().run_until_cancelled_owned(async move {
            this.send(work.await).await;
        }));
    }

    async fn send(&self, input: Input) {
        if self.inputs.send(input).await.is_err() {
            tracing::debug!("the dispatcher has stopped");
        }
    }

    async fn act(&self, order: Order) -> Event {
        let _place = self.places.of(order.action).await;
        let record = &order.record;
        match order.action {
            Action::Create => self.create(record).await,
            Action::Start => self.start(record).await,
            Action::Install => self.push_application(record).await,
            Action::Freeze => self.freeze(record).await,
            Action::Thaw => self.thaw(record).await,
            Action::HandOver => self.hand_over(record, order.credential.as_ref()).await,
            Action::Quiesce { force } => self.quiesce(record, force).await,
            Action::Collect { logs } => self.collect(record, logs, order.secrets()).await,
            Action::Remove => self.remove(record).await,
            Action::Inspect => self.inspect(record).await,
            Action::Probe => self.probe(record).await,
        }
    }
}

/// LXD's error as a fault, with what to do about it where that is known.
fn fault(error: &lxd::Error) -> Fault {
    let message = match error.hint() {
        None => error.to_string(),
        Some(hint) => format!("{error} ({hint})"),
    };
    Fault { transient: error.is_transient(), message }
}

/// A command of ours, run as root; what it has to say is on its standard output.
pub(super) fn exec(command: Vec<String>) -> Exec {
    Exec { command, quiet: true, ..Exec::default() }
}

fn since(begin: Instant) -> SignedDuration {
    SignedDuration::try_from(begin.elapsed()).unwrap_or(SignedDuration::MAX)
}
