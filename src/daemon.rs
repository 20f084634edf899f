//! Builds every part from the configuration and runs until told to stop.
//!
//! ```text
//! settings -> control socket -> manager (store, LXD) -> control API -> READY
//! SIGTERM, SIGINT, SIGHUP -> STOPPING -> no new requests -> those under way end -> store closed
//! ```
//!
//! Runners are not stopped: a daemon that starts again adopts them.

mod signals;

use std::future::Future;
use std::io::{self, IsTerminal};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{RunnerSettings, Settings};
use crate::guest::RunnerSource;
use crate::http::{self, BindError, ControlApi, Gate};
use crate::lxd::{self, ClientOptions, SocketPlaces};
use crate::manager::{
    self, LxdRunnerManager, ManagerOptions, OperationLimits, Rules, Running, StartError,
};
use crate::model::InstanceType;
use crate::store::StoreError;

pub use signals::StopSignal;

/// How long requests under way may take to end once the daemon is told to stop.
const REQUEST_GRACE: Duration = Duration::from_secs(5);
/// How long actions on instances may take to end then. Those that do not are taken up again by the
/// next start.
const ACTION_GRACE: Duration = Duration::from_secs(30);
/// How many gone runners are remembered.
const REMEMBERED: usize = 1000;
/// How long a guest may take to answer a command.
const EXEC_LIMIT: Duration = Duration::from_secs(30);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, and for the journal.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Why the daemon did not start, or did not run on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The log filter is wrong.
    #[error("\"{filter}\" is no log filter: {reason}")]
    LogFilter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The control socket could not be made.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The manager did not start.
    #[error("the manager did not start")]
    Start(#[from] StartError),
    /// The control API ended by itself.
    #[error("the control API failed")]
    Serve(#[source] io::Error),
    /// The dispatcher ended by itself.
    #[error("the manager ended by itself")]
    ManagerEnded,
    /// Signals cannot be received.
    #[error("failed to wait for signals")]
    Signals(#[source] io::Error),
    /// The store could not be closed.
    #[error("the store was not closed well")]
    Close(#[source] StoreError),
}

impl DaemonError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::LogFilter { .. } => Some("write one like `info` or `info,larm=debug`".to_owned()),
            Self::Bind(error) => error.hint(),
            Self::Start(StartError::Store(error)) | Self::Close(error) => error.hint(),
            Self::ManagerEnded => Some("its log says why; a restart is safe".to_owned()),
            Self::Start(StartError::UserData(_)) | Self::Serve(_) | Self::Signals(_) => None,
        }
    }
}

/// Sends log lines to standard error. Called once, before anything is logged.
pub fn start_logging(filter: &str, format: LogFormat) -> Result<(), DaemonError> {
    let wrong = |reason: String| DaemonError::LogFilter { filter: filter.to_owned(), reason };
    let parsed = EnvFilter::try_new(filter).map_err(|error| wrong(error.to_string()))?;
    let lines =
        fmt().with_env_filter(parsed).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // The journal stamps each line itself (systemd.exec(5), `JOURNAL_STREAM`).
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let started = match format {
        LogFormat::Json => lines.json().try_init(),
        LogFormat::Text if in_journal => lines.without_time().try_init(),
        LogFormat::Text => lines.try_init(),
    };
    started.map_err(|error| wrong(error.to_string()))
}

/// Runs the daemon until `stop` is done, or until a part of it fails.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), DaemonError> {
    let group = settings.control_group.as_ref().map(|group| group.id);
    let socket = http::bind(&settings.control_socket, group)?;
    let (manager, running) = start_manager(&settings)?;
    let end_requests = CancellationToken::new();
    let api = ControlApi {
        manager: manager.clone(),
        default_spec: settings.runner.spec.clone(),
        github_url: settings.github.url.clone(),
        stop: end_requests.clone(),
    };
    if settings.runner.spec.instance_type == InstanceType::Container {
        tracing::warn!(
            "runners are containers, which share the host's kernel: for trusted code only"
        );
    }
    let mut serving = Box::pin(http::serve(socket, Gate::new(group), api));
    tracing::info!(socket = %settings.control_socket.display(), "ready");
    tell_systemd(&[NotifyState::Ready, NotifyState::Status("serving")]);
    let ended = tokio::select! {
        result = &mut serving => Err(result.err().map_or(DaemonError::ManagerEnded, DaemonError::Serve)),
        () = manager_ended(&manager) => Err(DaemonError::ManagerEnded),
        () = keep_watchdog_quiet() => Ok(()),
        () = stop => Ok(()),
    };
    tracing::info!("stopping; runners live on");
    tell_systemd(&[NotifyState::Stopping, NotifyState::Status("stopping; runners live on")]);
    end_requests.cancel();
    if ended.is_ok() && timeout(REQUEST_GRACE, &mut serving).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    // The store is closed only when no handle of it is left.
    drop(serving);
    drop(manager);
    running.stop(ACTION_GRACE).await.map_err(DaemonError::Close)?;
    ended
}

/// Builds the manager with its store and its LXD client, and sets it going. LXD need not be there.
fn start_manager(settings: &Settings) -> Result<(LxdRunnerManager, Running), DaemonError> {
    let socket = SocketPlaces::new(settings.lxd.socket.as_deref());
    if let Err(error) = socket.look() {
        tracing::warn!(hint = error.hint(), "{error}; larm waits for it");
    }
    let client = lxd::Client::new(ClientOptions {
        socket,
        project: settings.lxd.project.clone(),
        timeout: settings.lxd.timeout,
    });
    Ok(manager::start(ManagerOptions {
        rules: Rules {
            prefix: settings.name_prefix.clone(),
            spec: settings.runner.spec.clone(),
            deadlines: settings.deadlines.clone(),
            pools: Vec::new(),
            sweep: settings.limits.sweep,
            remembered: REMEMBERED,
            max_runners: settings.limits.max_runners,
        },
        client,
        runner: runner_source(&settings.runner),
        state_dir: settings.state_dir.clone(),
        journal: settings.limits.journal,
        parallel: settings.limits.parallel,
        exec_limit: EXEC_LIMIT,
        limits: OperationLimits::default(),
    })?)
}

fn runner_source(settings: &RunnerSettings) -> RunnerSource {
    match settings.tarball.clone() {
        Some(tarball) => RunnerSource::Download { url: tarball.url, sha256: tarball.sha256 },
        None => RunnerSource::Image,
    }
}

/// Is done when nobody publishes records any more.
async fn manager_ended(manager: &LxdRunnerManager) {
    let mut view = manager.subscribe();
    while view.changed().await.is_ok() {}
}

/// Tells systemd's watchdog at half its interval that this thread of control still runs
/// (`sd_watchdog_enabled(3)`). Never ends.
async fn keep_watchdog_quiet() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return std::future::pending().await;
    };
    let mut ticks = interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        tell_systemd(&[NotifyState::Watchdog]);
    }
}

/// Tells systemd, where it has started us and listens (`sd_notify(3)`).
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd was not told");
    }
}
