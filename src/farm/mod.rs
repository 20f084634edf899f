//! Keeps as many runners as the pools and the jobs of GitHub want.
//!
//! ```text
//! webhook ---+                        rolls: GitHub's runners, per target
//! polls -----+-> demand (jobs) --+      |        host: what there is to give
//!                                v      v          |
//! manager's view ------------> farmer: plan, weigh <+
//!                                |
//!                                +-> orders to the manager, one at a time; the view
//! ```
//!
//! The farmer owns the jobs and what GitHub has told, decides with [`crate::model::plan`], and
//! asks the manager for everything. It keeps no runner of its own: what it decided is in the
//! manager's records before it decides again.

mod demand;
mod facts;
mod farmer;
mod host;
mod polls;
mod redeliveries;
mod rolls;
mod tasks;
mod view;
mod why;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lxd::Client;
use crate::manager::{AccountsReceiver, LxdRunnerManager};
use crate::model::{Cost, GitHubPath, GitHubRunner, Job, JobId, Pool, Sighting, Source, Target};
use farmer::Farmer;

pub use demand::in_words;
pub use view::{ConnectionView, FarmView};
pub use why::Why;

/// How many pieces of news may wait; who brings more waits, a webhook is refused.
const INPUTS: usize = 4096;

/// What the farm is told when it starts, and anew with each reload.
#[derive(Debug, Clone, Default)]
pub struct FarmSettings {
    /// The pools.
    pub pools: Vec<Arc<Pool>>,
    /// What is kept of the host.
    pub host: HostLimits,
    /// How each connection's queues are looked at.
    pub polls: BTreeMap<String, PollSettings>,
    /// The URL by which GitHub calls our webhook, if failed deliveries are to be asked for again.
    pub webhook_url: Option<String>,
    /// Whether webhooks come in.
    pub webhook: bool,
}

/// How much of the host runners may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostLimits {
    /// Bytes of memory that are not given to runners.
    pub memory_reserve: u64,
    /// Bytes of the storage pool that are kept free.
    pub disk_reserve: u64,
    /// CPUs given to runners per CPU of the host.
    pub cpu_overcommit: u64,
    /// How many instances may be made in one minute.
    pub creations_per_minute: usize,
    /// How many runners may be there at once; no limit without it.
    pub max_runners: Option<usize>,
}

/// How a connection's queues are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollSettings {
    /// How often; never without it.
    pub every: Option<Duration>,
    /// Which repositories of organisations; those that were pushed to lately without it.
    pub repositories: Option<Vec<GitHubPath>>,
}

/// What the farm works with.
#[derive(Debug)]
pub struct FarmOptions {
    /// Who makes and removes runners.
    pub manager: LxdRunnerManager,
    /// The accounts at GitHub.
    pub accounts: AccountsReceiver,
    /// The LXD whose storage pool is looked at.
    pub client: Client,
    /// What is wanted.
    pub settings: FarmSettings,
    /// Ends it.
    pub stop: CancellationToken,
}

/// The farm, for those who bring news or ask; cheap to clone.
#[derive(Debug, Clone)]
pub struct Farm {
    inputs: mpsc::Sender<Input>,
    view: watch::Receiver<Arc<FarmView>>,
    manager: LxdRunnerManager,
}

/// What reaches the farmer.
#[derive(Debug)]
enum Input {
    /// News of jobs.
    Seen(Seen),
    /// GitHub's runners of a target, or why they could not be had.
    Rolled { target: Target, asked_at: Timestamp, runners: Result<Vec<GitHubRunner>, String> },
    /// What became of a registration without an instance.
    Leaked(rolls::Leak),
    /// How looking at a connection's queues went.
    Polled { connection: String, result: Result<(), String> },
    /// What the host has.
    Host(Cost),
    /// Versions of the runner application that GitHub gives no jobs any more.
    Doomed(Vec<String>),
    /// Other settings from here on.
    Settings(Box<FarmSettings>),
}

/// News of jobs.
#[derive(Debug)]
struct Seen {
    /// Who told; without it whichever connection has a pool for the job's repository.
    connection: Option<String>,
    source: Source,
    /// When GitHub was asked, or the news came.
    at: Timestamp,
    sightings: Vec<Sighting>,
}

/// The farm takes no more news now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more news waits than the farm can take")]
pub struct Overrun;

/// Starts the farm; it runs in `tracker` until told to stop.
pub fn start(options: FarmOptions, tracker: &TaskTracker) -> Farm {
    let (inputs, received) = mpsc::channel(INPUTS);
    let settings = Arc::new(options.settings.clone());
    let first = FarmView { settings, ..FarmView::default() };
    let (sender, view) = watch::channel(Arc::new(first));
    let manager = options.manager.clone();
    let farm = Farm { inputs: inputs.clone(), view: view.clone(), manager };
    let farmer = Farmer::new(options, inputs, received, sender, tracker.clone());
    tracker.spawn(farmer.run());
    farm
}

impl Farm {
    /// The farm as of now.
    pub fn view(&self) -> Arc<FarmView> {
        Arc::clone(&self.view.borrow())
    }

    /// Takes in what a webhook says of a job. Never waits.
    pub fn deliver(&self, sighting: Sighting, at: Timestamp) -> Result<(), Overrun> {
        let seen =
            Seen { connection: None, source: Source::Webhook, at, sightings: vec![sighting] };
        self.inputs.try_send(Input::Seen(seen)).map_err(|_| Overrun)
    }

    /// Takes other settings from here on: changed pools roll over, removed ones drain.
    pub async fn set(&self, settings: FarmSettings) {
        // Nobody takes it only where everything ends.
        drop(self.inputs.send(Input::Settings(Box::new(settings))).await);
    }

    /// Tells which versions of the runner application GitHub gives no jobs any more.
    pub async fn doom(&self, versions: Vec<String>) {
        drop(self.inputs.send(Input::Doomed(versions)).await);
    }

    /// Jobs, the newest first: those that have not ended, with `all` ended ones too.
    pub async fn jobs(
        &self,
        all: bool,
        limit: usize,
    ) -> Result<Vec<Job>, crate::manager::ManagerError> {
        self.manager.kept_jobs(limit, all).await
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, crate::manager::ManagerError> {
        if let Some(job) = self.view.borrow().jobs.get(&id) {
            return Ok(Some(job.as_ref().clone()));
        }
        self.manager.kept_job(id).await
    }
}
