//! Proves that a host can run jobs, without a GitHub account: a stand-in for GitHub on the
//! bridge's address gives jobs to runners in real instances, and everything is counted
//! afterwards.

mod news;
pub mod standin;
mod summary;
mod timeline;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::daemon::{StopSignal, isolation};
use crate::guest::Credential;
use crate::lxd::{self, Client};
use crate::manager::{
    Accounts, CloudRunnerManager, CreateOrder, LogBounds, LxdRunnerManager, MANAGER_KEY,
    ManagerError, ManagerOptions, OperationLimits, Parallel, Rules, Running, StartError, start,
};
use crate::model::{Deadlines, InstanceName, NamePrefix, Phase, RunnerId, Spec};
use news::News;
use standin::{JobSpec, StandIn};
use timeline::Timeline;

pub use summary::{End, Figures, JobOutcome, Summary};
pub use timeline::Moment;

/// How long the manager may take to end what is under way.
const GRACE: Duration = Duration::from_secs(10);
/// How long LXD may take to say what is left, when the user does not want to wait any more.
const LAST_LOOK: Duration = Duration::from_secs(2);
const LABEL: &str = "larm-smoke";
/// What the names of all smoke runs begin with.
const PREFIX: &str = "smoke-";

/// What a smoke run needs.
#[derive(Debug, Clone)]
pub struct SmokeOptions {
    /// The client of the LXD to prove.
    pub client: Client,
    /// What instances are made from.
    pub spec: Spec,
    /// How long each part of a runner's life may take.
    pub deadlines: Deadlines,
    /// How many actions on instances run at once.
    pub parallel: Parallel,
    /// How many jobs are run, each by a runner of its own.
    pub jobs: usize,
    /// How long each job takes.
    pub duration: Duration,
    /// The port of the stand-in for GitHub on the bridge's address; 0 for any that is free.
    pub port: u16,
    /// How long the whole run may take.
    pub limit: Duration,
    /// An empty folder for the manager's state, and for logs of what failed.
    pub state_dir: PathBuf,
}

/// Why a smoke run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SmokeError {
    /// LXD refused.
    #[error(transparent)]
    Lxd(#[from] lxd::Error),
    /// Guests would not reach the stand-in for GitHub.
    #[error(transparent)]
    Isolation(#[from] isolation::Error),
    /// The instances' network has no address for guests to reach the host at.
    #[error("the profiles {0:?} have no network with an IPv4 address on the host")]
    NoBridge(Vec<String>),
    /// The stand-in for GitHub could not listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manager did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The manager refused.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

impl SmokeError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lxd(error) => error.hint().map(str::to_owned),
            Self::Isolation(error) => error.hint().map(str::to_owned),
            Self::NoBridge(_) => Some("run `larm setup` to make a bridge and a profile".to_owned()),
            Self::Start(StartError::Store(error)) => error.hint(),
            Self::Manager(error) => error.hint(),
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("give another --port, or none for any that is free".to_owned())
            }
            Self::Listen { .. } | Self::Start(StartError::UserData(_)) => None,
        }
    }
}

/// Runs jobs, tells each moment as it comes, and sums up. Ends early at the first of `signals`, and
/// cleans up all the same; where somebody insists it leaves things as they are.
pub async fn run(
    options: SmokeOptions,
    tell: impl FnMut(Moment),
    signals: &mut StopSignal,
) -> Result<Summary, SmokeError> {
    let tasks = TaskTracker::new();
    let github = serve_github(&options, &tasks).await?;
    let (manager, running) = start_manager(&options, &github)?;
    let opened = open(&options, &github, &manager).await;
    let stage = Stage { options: &options, github: &github, manager: &manager };
    let played = match opened {
        Ok(()) => stage.play(tell, signals).await,
        Err(error) => Err(error.into()),
    };
    let (summary, grace) = match played {
        Ok((timeline, End::LeftAsItIs)) => {
            (summary::sum_up(&stage, &timeline, End::LeftAsItIs).await, Duration::ZERO)
        }
        Ok((timeline, end)) => (summary::sum_up(&stage, &timeline, end).await, GRACE),
        Err(error) => (Err(error), GRACE),
    };
    close(&options, manager.name_prefix()).await;
    drop(manager);
    finish(running, github, tasks, grace).await;
    summary
}

/// Instances of other smoke runs: they run still, or were killed.
pub async fn instances_of_others(client: &Client) -> Result<Vec<String>, lxd::Error> {
    let of_smoke = |one: &lxd::Instance| {
        let manager = one.config.get(MANAGER_KEY);
        manager.is_some_and(|prefix| prefix.starts_with(PREFIX))
    };
    let all = client.instances().await?.into_iter();
    Ok(all.filter(of_smoke).map(|one| one.name).collect())
}

/// Lets guests reach the stand-in for GitHub, where the bridge is isolated.
async fn open(
    options: &SmokeOptions,
    github: &StandIn,
    manager: &LxdRunnerManager,
) -> Result<(), isolation::Error> {
    let wanted = isolation::Wanted {
        enforce: true,
        prefix: manager.name_prefix().to_string(),
        profiles: options.spec.profiles.iter().cloned().collect(),
        needs: isolation::of_url(github.url()).into_iter().collect(),
        deny: Vec::new(),
    };
    isolation::apply(&options.client, &wanted, &mut isolation::Resolver::default()).await.map(drop)
}

/// Takes that away again.
async fn close(options: &SmokeOptions, prefix: &NamePrefix) {
    let profiles = options.spec.profiles.iter().cloned().collect();
    let client = options.client.with_timeout(LAST_LOOK);
    if let Err(error) = isolation::remove(&client, prefix.as_str(), &profiles).await {
        let acl = isolation::own_name(client.project(), prefix.as_str());
        tracing::warn!(%error, "the network ACL {acl} stays behind");
    }
}

async fn finish(running: Running, github: StandIn, tasks: TaskTracker, grace: Duration) {
    if let Err(error) = running.stop(grace).await {
        tracing::warn!(%error, "the store was not closed");
    }
    github.stop();
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() && !grace.is_zero() {
        tracing::warn!("the stand-in for GitHub did not end in time");
    }
}

struct Stage<'a> {
    options: &'a SmokeOptions,
    github: &'a StandIn,
    manager: &'a LxdRunnerManager,
}

impl Stage<'_> {
    /// Plays all runners' lives.
    async fn play(
        &self,
        tell: impl FnMut(Moment),
        signals: &mut StopSignal,
    ) -> Result<(Timeline, End), SmokeError> {
        let mut news = News::new(self.manager, tell);
        let too_late = tokio::time::sleep(self.options.limit);
        let end = async {
            tokio::select! {
                biased;
                () = signals.next() => End::Interrupted,
                () = too_late => End::OutOfTime,
                () = self.lives() => End::Complete,
            }
        };
        let mut end = news.tell_until(end).await?;
        if end != End::Complete {
            end = news.tell_until(self.clear(end, signals)).await?;
        }
        Ok((news.tell_all().await?, end))
    }

    async fn lives(&self) {
        let orders = (0..self.options.jobs).map(|n| self.order(n));
        let made = futures_util::future::join_all(orders).await;
        let lives = made.iter().flatten().map(|id| self.until_gone(id));
        futures_util::future::join_all(lives).await;
    }

    /// Removes what is there, unless somebody insists on an end.
    async fn clear(&self, end: End, signals: &mut StopSignal) -> End {
        tracing::warn!(
            "removing the instances; one more SIGINT or SIGTERM leaves them as they are"
        );
        tokio::select! {
            removals = self.manager.flush(None, true) => {
                // What is not removed is found by the summary.
                tracing::debug!(?removals, "cleared");
                end
            }
            () = signals.insisted() => End::LeftAsItIs,
        }
    }

    async fn order(&self, n: usize) -> Option<RunnerId> {
        let name = self.manager.new_name();
        let text = name.to_string();
        self.github.queue_job(JobSpec::new(
            &format!("smoke-{}", n + 1),
            &[LABEL],
            self.options.duration,
        ));
        let jit = self.github.jit_config(&text, &[LABEL]).ok()?;
        let credential = Some(Credential::Jit(jit));
        let order = CreateOrder { name: Some(name), credential, spec: None };
        let made = self.manager.create(order).await;
        made.inspect_err(|error| tracing::error!(%error, "a runner was not made")).ok()
    }

    async fn until_gone(&self, id: &RunnerId) {
        let gone = self.manager.wait_for(id, Phase::Gone, self.options.limit).await;
        if let Err(error) = gone {
            tracing::error!(%error, "a runner is not gone");
        }
    }

    /// Instances of this run that are still in LXD. Of a run that was broken off they are those
    /// that it has records of, where LXD does not say: it may be why.
    async fn leftovers(&self, end: End) -> Result<Vec<InstanceName>, lxd::Error> {
        let client = &self.options.client;
        let listed = match end {
            End::LeftAsItIs => client.with_timeout(LAST_LOOK).instances().await,
            End::Complete | End::OutOfTime | End::Interrupted => client.instances().await,
        };
        let ours = |name: &InstanceName| name.prefix() == self.manager.name_prefix();
        match listed {
            Ok(all) => {
                Ok(all.iter().filter_map(|one| one.name.parse().ok()).filter(ours).collect())
            }
            Err(error) if end == End::Complete => Err(error),
            Err(error) => {
                tracing::warn!(%error, "LXD does not say what is left");
                let view = self.manager.view();
                let left = view.runners.values().filter(|record| record.phase != Phase::Gone);
                Ok(left.map(|record| record.name.clone()).collect())
            }
        }
    }
}

async fn serve_github(options: &SmokeOptions, tasks: &TaskTracker) -> Result<StandIn, SmokeError> {
    let bridge = bridge_address(&options.client, &options.spec.profiles).await?;
    let address = SocketAddr::new(bridge, options.port);
    let wrong = |source| SmokeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    let github = StandIn::new(&format!("http://{bound}")).map_err(wrong)?;
    let server = github.clone();
    tasks.spawn(async move {
        if let Err(error) = server.serve(listener).await {
            tracing::error!(%error, "the stand-in for GitHub ended");
        }
    });
    Ok(github)
}

/// The host's address on the network that the profiles give to instances.
pub async fn bridge_address(client: &Client, profiles: &[String]) -> Result<IpAddr, SmokeError> {
    for profile in profiles.iter().rev() {
        let Some(profile) = client.profile(profile).await? else { continue };
        for device in profile.devices.values() {
            let bridge = device.get("network").or_else(|| device.get("parent"));
            let Some(bridge) = bridge else { continue };
            let Some(network) = client.network(bridge).await? else { continue };
            let address = network.config.get("ipv4.address").and_then(|one| one.split('/').next());
            if let Some(address) = address.and_then(|one| one.parse().ok()) {
                return Ok(address);
            }
        }
    }
    Err(SmokeError::NoBridge(profiles.to_vec()))
}

fn start_manager(
    options: &SmokeOptions,
    github: &StandIn,
) -> Result<(LxdRunnerManager, Running), SmokeError> {
    let bits = uuid::Uuid::new_v4().as_u64_pair().0 & 0xffff;
    let prefix: NamePrefix = format!("{PREFIX}{bits:04x}")
        .parse()
        .map_err(|error: crate::model::NameError| StartError::UserData(error.to_string()))?;
    let rules = Rules {
        prefix,
        spec: options.spec.clone(),
        deadlines: options.deadlines.clone(),
        pools: Vec::new(),
        sweep: Duration::from_mins(1),
        remembered: options.jobs.saturating_mul(2),
        max_runners: None,
    };
    let (manager, running) = start(ManagerOptions {
        rules,
        client: options.client.clone(),
        runner: github.runner_source(),
        guests: None,
        stock: None,
        accounts: Accounts::none(),
        application: watch::channel(None).1,
        state_dir: options.state_dir.clone(),
        journal: crate::store::JOURNAL_BOUND,
        logs: LogBounds::default(),
        parallel: options.parallel,
        exec_limit: Duration::from_secs(30),
        limits: OperationLimits::default(),
    })?;
    Ok((manager, running))
}
