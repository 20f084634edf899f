//! The one owner of all records.
//!
//! ```text
//! inputs -> step -> one commit -> published view, replies, actions handed out, watches armed
//! ```
//!
//! Handling an input is synchronous and only changes a [`Batch`]. Nothing leaves the dispatcher
//! before the batch is on disk: an action that was never recorded is never tried, and a view
//! never shows what a crash would take back. While the disk takes nothing, nothing happens.

mod acting;
mod farming;
mod installing;
mod requests;
mod sweep;
mod sweeping;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::command::{Input, Reply};
use super::executor::Executor;
use super::options::Rules;
use super::watcher::Watches;
use super::{ManagerError, View};
use crate::application::Cached;
use crate::clock;
use crate::guest::Credential;
use crate::model::{
    Action, Event, InstanceName, JournalEntry, JournalKind, Phase, Record, RunnerId, step,
};
use crate::store::{Changes, Store};
use requests::refusal;
use sweep::Sweep;

/// How many inputs one commit takes at most.
const BATCH: usize = 256;

/// The one owner of all records.
pub(super) struct Dispatcher {
    pub(super) rules: Rules,
    /// Whether the host pushes the runner application into its guests.
    pub(super) pushes_application: bool,
    /// What it pushes, once there is something.
    pub(super) application: watch::Receiver<Option<Arc<Cached>>>,
    /// How many runners are made at once.
    pub(super) parallel: usize,
    pub(super) records: BTreeMap<RunnerId, Arc<Record>>,
    pub(super) journal_head: u64,
    pub(super) store: Arc<Store>,
    pub(super) executor: Executor,
    pub(super) watches: Watches,
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) view: watch::Sender<Arc<View>>,
    /// From here on nothing new is begun; what is under way may end.
    pub(super) drain: CancellationToken,
    pub(super) stop: CancellationToken,
    pub(super) memory: Memory,
}

/// What the dispatcher knows and never writes down: a manager that starts again begins without.
#[derive(Debug, Default)]
pub(super) struct Memory {
    credentials: BTreeMap<RunnerId, Credential>,
    remove_tokens: BTreeMap<RunnerId, SecretString>,
    /// The one action per runner that changes something.
    acting: BTreeMap<RunnerId, Action>,
    asking: BTreeSet<(RunnerId, Action)>,
    /// The pushes under way; each is broken off when it is dropped from here.
    installing: BTreeMap<RunnerId, DropGuard>,
    due: BTreeMap<RunnerId, Timestamp>,
    creations: BTreeMap<RunnerId, Reply<RunnerId>>,
    sweeps: Vec<Sweep>,
    listing: Listing,
    /// When the slow sweep began whose list is being read.
    sweep_began: Option<Timestamp>,
    /// When monitoring was last told of all runners together.
    reconciled: Option<Timestamp>,
    /// Orphans that are being removed.
    orphans: BTreeSet<InstanceName>,
    lxd_trouble: Option<String>,
}

/// Whether LXD's list is being read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Listing {
    #[default]
    Idle,
    UnderWay,
    /// It is, and what it will say may be out of date already: it is read once more.
    UnderWayAndAgain,
}

/// What a handful of inputs have changed.
#[derive(Default)]
struct Batch {
    changed: BTreeMap<RunnerId, Arc<Record>>,
    journal: Vec<JournalEntry>,
    asks: Vec<(RunnerId, Action)>,
    replies: Vec<(Reply<()>, Result<(), ManagerError>)>,
    orphans: Vec<InstanceName>,
    /// Runners whose next action is looked up though their record did not change.
    kick: Vec<RunnerId>,
    /// All records are looked at again, as after a change of the rules.
    kick_all: bool,
    trouble_changed: bool,
    forget: Vec<RunnerId>,
    compare: bool,
}

impl Dispatcher {
    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        self.resume();
        let mut inputs = Vec::with_capacity(BATCH);
        let mut sweep = tokio::time::interval(self.rules.sweep);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut batch = Batch::default();
            let (mut sweep_now, next_due) = (false, self.next_due());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                () = self.drain.cancelled(), if self.is_idle() => break,
                _ = self.inputs.recv_many(&mut inputs, BATCH) => {}
                _ = sweep.tick() => sweep_now = true,
                () = next_change(&mut self.application) => {}
                () = clock::sleep_until(next_due) => {}
            }
            if sweep_now {
                self.memory.sweep_began = Some(clock::now());
                self.begin_sweep(None, &mut batch);
            }
            let now = clock::now();
            for input in inputs.drain(..) {
                self.take(input, now, &mut batch);
            }
            self.meet_due(now, &mut batch);
            self.admit(now, &mut batch);
            self.limit_holds(now, &mut batch);
            if !self.settle(batch, now).await {
                break;
            }
        }
    }

    /// Takes up what a manager before this one left: every record's next action follows from it.
    fn resume(&mut self) {
        let now = clock::now();
        self.memory.reconciled = Some(now);
        let batch = Batch { changed: self.records.clone(), ..Batch::default() };
        self.publish();
        self.act_on(batch, now);
    }

    fn is_idle(&self) -> bool {
        self.memory.acting.is_empty()
    }

    fn take(&mut self, input: Input, now: Timestamp, batch: &mut Batch) {
        match input {
            Input::News(id, event) => self.meet(&id, &event, now, batch),
            Input::Answer(id, action, event) => self.answered(&id, action, &event, now, batch),
            Input::Ask(id, action) => batch.asks.push((id, action)),
            Input::Compare => batch.compare = true,
            Input::Made(id) => batch.compare |= self.nobody_waits_for(&id),
            Input::Listed(listed) => self.listed(listed, now, batch),
            Input::OrphanEnded(name, result) => self.orphan_ended(&name, &result),
            // Who asked is told by the end of the reply's channel.
            Input::Command(_) if self.drain.is_cancelled() => {}
            Input::Command(command) => self.command(command, now, batch),
        }
    }

    /// A manager that ended may have ordered an instance that LXD makes only after the next one
    /// has seen that it is not there.
    fn nobody_waits_for(&self, id: &RunnerId) -> bool {
        self.records.get(id).is_none_or(|record| record.phase == Phase::Gone)
    }

    fn meet(&mut self, id: &RunnerId, event: &Event, now: Timestamp, batch: &mut Batch) {
        if let Err(why) = self.try_meet(id, event, now, batch) {
            tracing::debug!(runner = %id, %why, "event refused");
        }
    }

    fn try_meet(
        &mut self,
        id: &RunnerId,
        event: &Event,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), ManagerError> {
        let record = self.records.get(id).ok_or_else(|| ManagerError::NotFound(id.clone()))?;
        let done = step(record, event, self.rules.deadlines_of(record), now)
            .map_err(|refused| refusal(record, &refused))?;
        batch.asks.extend(done.asks.into_iter().map(|ask| (id.clone(), ask)));
        if done.record != **record {
            self.put(done.record, done.journal, now, batch);
        }
        Ok(())
    }

    fn put(
        &mut self,
        record: Record,
        journal: Vec<JournalKind>,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        let id = record.id().clone();
        for what in journal {
            self.tell(&record.name, what, now, batch);
        }
        let record = Arc::new(record);
        batch.changed.insert(id.clone(), Arc::clone(&record));
        self.records.insert(id, record);
    }

    /// Adds a line to the journal.
    fn tell(
        &mut self,
        runner: &InstanceName,
        what: JournalKind,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        log(runner, &what);
        self.write(Some(runner.clone()), what, now, batch);
    }

    fn write(
        &mut self,
        runner: Option<InstanceName>,
        what: JournalKind,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        self.journal_head += 1;
        batch.journal.push(JournalEntry { seq: self.journal_head, at: now, runner, what });
    }

    /// Commits, then lets the world know. `false` when told to stop before the disk took it, or when
    /// it never will.
    async fn settle(&mut self, batch: Batch, now: Timestamp) -> bool {
        let idle = batch.journal.is_empty() && batch.changed.is_empty() && batch.forget.is_empty();
        if !idle && !self.commit(&batch).await {
            return false;
        }
        if !idle || batch.trouble_changed {
            self.publish();
        }
        self.keep_whys(&batch);
        self.act_on(batch, now);
        true
    }

    /// The last word on those that ended badly and are gone now.
    fn keep_whys(&self, batch: &Batch) {
        let gone = batch.changed.values().filter(|record| record.phase == Phase::Gone);
        for record in gone.filter(|record| record.ended_badly()) {
            self.executor.keep_why(Arc::clone(record));
        }
    }

    async fn commit(&self, batch: &Batch) -> bool {
        let put: Arc<[Arc<Record>]> = batch.changed.values().cloned().collect();
        let journal: Arc<[JournalEntry]> = batch.journal.iter().cloned().collect();
        let forget: Arc<[RunnerId]> = batch.forget.iter().cloned().collect();
        loop {
            let (store, put) = (Arc::clone(&self.store), Arc::clone(&put));
            let (journal, forget) = (Arc::clone(&journal), Arc::clone(&forget));
            let write =
                move || store.commit(&Changes { put: &put, forget: &forget, journal: &journal });
            let result = tokio::task::spawn_blocking(write).await;
            match result {
                Ok(Ok(())) => return true,
                Ok(Err(error)) if error.is_transient() => {
                    tracing::error!(%error, "the store takes nothing: waiting");
                }
                // Who starts anew puts a damaged store aside, and finds the runners in LXD.
                Ok(Err(error)) => {
                    tracing::error!(%error, "the store is of no use any more");
                    return false;
                }
                Err(error) => {
                    tracing::error!(%error, "the store's task broke down");
                    return false;
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    fn publish(&self) {
        let view = View {
            runners: self.records.clone(),
            journal_head: self.journal_head,
            lxd_trouble: self.memory.lxd_trouble.clone(),
        };
        self.view.send_replace(Arc::new(view));
    }
}

/// Waits for another value; for ever where none will come.
async fn next_change<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn log(runner: &InstanceName, what: &JournalKind) {
    match what {
        JournalKind::Phase { phase, reason: Some(reason), .. } => {
            tracing::info!(%runner, %phase, %reason, "phase");
        }
        JournalKind::Phase { phase, .. } => tracing::info!(%runner, %phase, "phase"),
        JournalKind::Mismatch { mismatch, text } => {
            tracing::warn!(%runner, %mismatch, "{text}");
        }
        JournalKind::Note { text } => tracing::info!(%runner, note = %text),
        JournalKind::Metrics { .. } | JournalKind::Metric { .. } => {
            tracing::debug!(%runner, "metrics");
        }
    }
}
