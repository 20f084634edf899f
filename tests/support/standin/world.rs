//! The stand-in's whole state behind one lock, and the tasks that change it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StandInOptions;
use super::events::Bus;
use super::exec::Session;
use super::faults::Faults;
use super::guest::GuestPlan;
use super::host::Host;
use super::instance::Instance;
use super::operations::Operation;
use super::server::Request;

/// A project's name and an instance's.
pub type Key = (String, String);

/// The stand-in's state and tasks.
#[derive(Debug)]
pub struct World {
    pub(super) options: StandInOptions,
    pub(super) faults: Faults,
    pub(super) bus: Bus,
    /// Ends everything.
    pub(super) over: CancellationToken,
    tracker: TaskTracker,
    tokens: Mutex<Tokens>,
    state: Mutex<State>,
    /// How many jobs each instance ran, also those that are gone.
    jobs: Mutex<BTreeMap<Key, u32>>,
}

/// What is ended one by one.
#[derive(Debug)]
struct Tokens {
    /// This run of the server: its connections, and its operations' work.
    serving: CancellationToken,
    /// The event websockets that are open.
    listeners: CancellationToken,
}

/// What LXD knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) host: Host,
    pub(super) instances: BTreeMap<Key, Instance>,
    pub(super) operations: BTreeMap<String, Operation>,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) requests: VecDeque<Request>,
    pub(super) plans: VecDeque<GuestPlan>,
    /// The runners that have removed their registration; they may be gone since.
    pub(super) unregistered: BTreeSet<Key>,
    /// Guests that were asked for their logs.
    pub(super) asked_for_logs: BTreeSet<Key>,
    pub(super) serving: bool,
    /// Grows with each thing that wants a number of its own: addresses, process ids.
    pub(super) serial: u32,
    pub(super) file_calls_during_start: u64,
}

impl World {
    pub(super) fn new(options: StandInOptions) -> Arc<Self> {
        let over = CancellationToken::new();
        let tokens = Tokens { serving: over.child_token(), listeners: over.child_token() };
        let state = State {
            host: Host::new(&options),
            instances: BTreeMap::new(),
            operations: BTreeMap::new(),
            sessions: BTreeMap::new(),
            requests: VecDeque::new(),
            plans: VecDeque::new(),
            unregistered: BTreeSet::new(),
            asked_for_logs: BTreeSet::new(),
            serving: false,
            serial: 0,
            file_calls_during_start: 0,
        };
        Arc::new(Self {
            faults: Faults::new(options.seed),
            bus: Bus::new(),
            over,
            tracker: TaskTracker::new(),
            tokens: Mutex::new(tokens),
            state: Mutex::new(state),
            jobs: Mutex::default(),
            options,
        })
    }

    /// Looks at the state, or changes it, in one step.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs work of the server's: it ends with this run of the server.
    pub(super) fn work(&self, work: impl Future<Output = ()> + Send + 'static) {
        let serving = self.tokens().serving.clone();
        self.tracker.spawn(async move {
            serving.run_until_cancelled_owned(work).await;
        });
    }

    /// Does something later, also if the server is stopped meanwhile.
    pub(super) fn later(
        self: &Arc<Self>,
        delay: Duration,
        act: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) {
        let world = Arc::clone(self);
        self.background(async move {
            sleep(delay).await;
            act(&world);
        });
    }

    /// Runs something that outlives this run of the server.
    pub(super) fn background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        self.tracker.spawn(async move {
            over.run_until_cancelled_owned(work).await;
        });
    }

    /// What ends with this run of the server.
    pub(super) fn serving_token(&self) -> CancellationToken {
        self.tokens().serving.clone()
    }

    /// What ends the event websockets that are open.
    pub(super) fn listeners_token(&self) -> CancellationToken {
        self.tokens().listeners.clone()
    }

    pub(super) fn cut_listeners(&self) {
        let mut tokens = self.tokens();
        tokens.listeners.cancel();
        tokens.listeners = tokens.serving.child_token();
    }

    pub(super) fn stop_serving(&self) {
        let mut tokens = self.tokens();
        tokens.serving.cancel();
        tokens.serving = self.over.child_token();
        tokens.listeners = tokens.serving.child_token();
    }

    /// Counts a job of an instance; may be called while the state is looked at.
    pub(super) fn count_job(&self, key: &Key) {
        *self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key.clone())
            .or_default() += 1;
    }

    pub(super) fn jobs_of(&self, key: &Key) -> u32 {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.get(key).copied().unwrap_or_default()
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }
}
