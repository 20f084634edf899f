//! Builds every part from the configuration and runs until told to stop.
//!
//! ```text
//! settings -> control socket -> manager (store, LXD) -> farm (GitHub) -> control API -> READY
//! SIGHUP, a request -> settings again -> accounts, pools
//! SIGTERM, SIGINT -> STOPPING -> no new requests -> those under way end -> store closed
//! ```
//!
//! Runners are not stopped: a daemon that starts again adopts them.

mod accounts;
mod application;
mod background;
mod baking;
mod counting;
mod guests;
pub mod isolation;
mod pools;
mod reload;
mod signals;
pub mod stock;
mod webhook;

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::application::Cached;
use crate::config::Settings;
use crate::farm::{self, Farm, FarmOptions};
use crate::guest::RunnerSource;
use crate::http::{self, BindError, ControlApi, Gate, ReloadRequest, Reloads};
use crate::lxd::{self, ClientOptions, SocketPlaces};
use crate::manager::{
    self, Accounts, AccountsReceiver, LogBounds, LxdRunnerManager, ManagerOptions, OperationLimits,
    Rules, Running, StartError,
};
use crate::metrics::{Metrics, MetricsError, Scrape};
use crate::model::Spec;
use crate::store::StoreError;

pub use accounts::{AccountError, connect, connect_with};
pub use application::{Origin, application_cache, origin as application_origin};
pub use counting::MetricsListenError;
pub use guests::GuestsError;
pub use signals::{Asked, StopSignal};
pub use stock::parallel;
pub use webhook::WebhookError;

use application::Provider;
use background::Background;
use baking::Baker;
use pools::{Publisher, Stocked};
use reload::{Listeners, Reloading};

/// How long requests under way may take to end once the daemon is told to stop.
const REQUEST_GRACE: Duration = Duration::from_secs(5);
/// How long actions on instances may take to end then. Those that do not are taken up again by the
/// next start.
const ACTION_GRACE: Duration = Duration::from_secs(30);
/// How many gone runners are remembered, at some 2 kB of memory each. Their logs are kept for longer.
const REMEMBERED: usize = 300;
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
    /// Webhooks cannot be received.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// Metrics cannot be served over TCP.
    #[error(transparent)]
    MetricsListen(#[from] MetricsListenError),
    /// Nothing can be counted.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// What guests are given cannot be made ready.
    #[error(transparent)]
    Guests(#[from] GuestsError),
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
            Self::Webhook(error) => error.hint(),
            Self::MetricsListen(error) => error.hint(),
            Self::Guests(error) => error.hint(),
            Self::Start(StartError::Store(error)) | Self::Close(error) => error.hint(),
            Self::ManagerEnded => Some("its log says why; a restart is safe".to_owned()),
            Self::Start(StartError::UserData(_))
            | Self::Metrics(_)
            | Self::Serve(_)
            | Self::Signals(_) => None,
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

/// Runs the daemon until a signal asks it to stop, or until a part of it fails. `read_again` reads
/// the configuration, and says what is wrong with it.
pub async fn run(
    settings: Settings,
    read_again: impl Fn() -> Result<Settings, String>,
    signals: &mut StopSignal,
) -> Result<(), DaemonError> {
    let parts = Parts::start(&settings).await?;
    if settings.uses_containers() {
        tracing::warn!(
            "runners are containers, which share the host's kernel: for trusted code only"
        );
    }
    tracing::info!(socket = %settings.control_socket.display(), "ready");
    tell_systemd(&[NotifyState::Ready, NotifyState::Status("serving")]);
    parts.run(settings, read_again, signals).await
}

/// The parts that run.
struct Parts {
    manager: LxdRunnerManager,
    running: Running,
    listeners: Arc<Listeners>,
    reloads: mpsc::Receiver<ReloadRequest>,
    api: ServingApi,
    webhook: ServingWebhook,
    end_requests: CancellationToken,
    background: Background,
}

type ServingApi = Pin<Box<dyn Future<Output = io::Result<()>>>>;
/// Never ends where there is no webhook.
type ServingWebhook = Pin<Box<dyn Future<Output = io::Result<()>>>>;

impl Parts {
    async fn start(settings: &Settings) -> Result<Self, DaemonError> {
        let group = settings.control_group.as_ref().map(|group| group.id);
        let socket = http::bind(&settings.control_socket, group)?;
        let webhook = webhook::listen(settings).await?;
        let metrics_port = counting::listen(settings).await?;
        let metrics = Metrics::new(settings.name_prefix.as_str())?;
        let accounts = accounts::all(settings, &Accounts::default(), &BTreeSet::new());
        let (accounts, received) = watch::channel(counting::counted(&accounts, &metrics));
        let client = lxd_client(settings).observed_by(Arc::new(metrics.clone()));
        let (given, application) = watch::channel(None);
        let offered = application.clone();
        let runner = runner_source(settings);
        let (guests, given_guests) =
            watch::channel(Arc::new(guests::setup(settings, runner.clone())?));
        let stocked = Stocked::prepare(settings, &client, given_guests).await;
        let sources = Sources { accounts: received.clone(), application };
        let (manager, running) = start_manager(settings, client.clone(), &stocked, sources)?;
        let (end_requests, background) = (CancellationToken::new(), Background::default());
        let isolation = background.isolate(settings, client.clone()).await;
        let options = FarmOptions {
            manager: manager.clone(),
            accounts: received.clone(),
            client: client.clone(),
            settings: stocked.ingredients.farm_settings(settings),
            stop: background.end.clone(),
        };
        let farm = farm::start(options, &background.tasks);
        let stock = stocked.wanted;
        background.spawn(stocked.keeper.keep(running.events(), manager.clone()));
        let (pools, given_spec) = Publisher::new(settings, stocked.ingredients, &manager, &farm);
        background.spawn(Arc::clone(&pools).follow());
        background.follow_journal(settings, &manager, &running, &metrics);
        let scrape = scrape(&metrics, &manager, &farm, &received);
        if let Some(port) = metrics_port {
            background.tasks.spawn(http::serve_metrics(port, scrape.clone(), end_requests.clone()));
        }
        let images = pools.ingredients.images.clone();
        let (provider, ends) = Provider::new(settings, given, received, (&farm, &manager), images);
        let (image, given) = watch::channel(Arc::new(settings.clone()));
        let baker = Baker::new(given, &client, (offered, ends), &metrics);
        background.tasks.spawn(baker.keep(background.end.clone()));
        background.spawn(application::provide(application::origin(settings), provider));
        let (sender, reloads) = mpsc::channel(1);
        let api = control_api(settings, given_spec, scrape, sender, end_requests.clone());
        let api = Box::pin(http::serve(socket, Gate::new(group), api));
        let webhook = webhook::serve(webhook, farm.clone(), metrics.clone(), end_requests.clone());
        let listeners = Listeners {
            manager: manager.clone(),
            pools,
            stock,
            accounts,
            metrics,
            guests,
            runner,
            isolation,
            image,
        };
        let listeners = Arc::new(listeners);
        Ok(Self { manager, running, listeners, reloads, api, webhook, end_requests, background })
    }

    async fn run(
        mut self,
        mut settings: Settings,
        read_again: impl Fn() -> Result<Settings, String>,
        signals: &mut StopSignal,
    ) -> Result<(), DaemonError> {
        let mut ended = pin!(manager_ended(self.manager.clone()));
        let mut watchdog = pin!(keep_watchdog_quiet());
        // One reload at a time, beside everything else: it waits for the disk.
        let (mut reloading, mut again): (Option<Reloading>, bool) = (None, false);
        let result = loop {
            let request = tokio::select! {
                result = &mut self.api => break Err(failed(result)),
                result = &mut self.webhook => break Err(failed(result)),
                () = &mut ended => break Err(DaemonError::ManagerEnded),
                () = &mut watchdog => None,
                asked = signals.next_for_daemon() => match asked {
                    Asked::Stop => break Ok(()),
                    Asked::Reload => None,
                },
                request = self.reloads.recv(), if reloading.is_none() => request,
                () = end_of(&mut reloading) => {
                    reloading = None;
                    if !std::mem::take(&mut again) {
                        continue;
                    }
                    None
                }
            };
            if reloading.is_some() {
                again = true;
                continue;
            }
            reloading = reload::begin(&self.listeners, &read_again, &mut settings, request);
        };
        drop(reloading);
        self.stop(result).await
    }

    async fn stop(self, result: Result<(), DaemonError>) -> Result<(), DaemonError> {
        tracing::info!("stopping; runners live on");
        tell_systemd(&[NotifyState::Stopping, NotifyState::Status("stopping; runners live on")]);
        self.end_requests.cancel();
        self.background.end.cancel();
        self.background.tasks.close();
        let Self { manager, running, listeners, api, webhook, background, .. } = self;
        let requests = async { tokio::join!(api, webhook, background.tasks.wait()) };
        if result.is_ok() && timeout(REQUEST_GRACE, requests).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        // The store is closed only when no handle of it is left.
        drop(listeners);
        drop(manager);
        running.stop(ACTION_GRACE).await.map_err(DaemonError::Close)?;
        result
    }
}

fn scrape(
    metrics: &Metrics,
    manager: &LxdRunnerManager,
    farm: &Farm,
    accounts: &AccountsReceiver,
) -> Scrape {
    Scrape {
        metrics: metrics.clone(),
        manager: manager.clone(),
        farm: farm.clone(),
        accounts: accounts.clone(),
    }
}

fn control_api(
    settings: &Settings,
    default_spec: watch::Receiver<Spec>,
    scrape: Scrape,
    reloads: Reloads,
    stop: CancellationToken,
) -> ControlApi {
    ControlApi {
        manager: scrape.manager.clone(),
        farm: scrape.farm.clone(),
        scrape,
        reloads,
        default_spec,
        github_url: settings.github.url.clone(),
        stop,
    }
}

/// The end of a reload; it never comes where there is none.
async fn end_of(reloading: &mut Option<Reloading>) {
    match reloading {
        Some(reloading) => reloading.await,
        None => std::future::pending().await,
    }
}

fn failed(result: io::Result<()>) -> DaemonError {
    result.err().map_or(DaemonError::ManagerEnded, DaemonError::Serve)
}

/// A client of the LXD that the configuration names, which need not be there.
fn lxd_client(settings: &Settings) -> lxd::Client {
    let socket = SocketPlaces::new(settings.lxd.socket.as_deref());
    if let Err(error) = socket.look() {
        tracing::warn!(hint = error.hint(), "{error}; larm waits for it");
    }
    lxd::Client::new(ClientOptions {
        socket,
        project: settings.lxd.project.clone(),
        timeout: settings.lxd.timeout,
    })
}

/// What the manager takes from, as it changes.
struct Sources {
    accounts: AccountsReceiver,
    application: watch::Receiver<Option<Arc<Cached>>>,
}

/// Builds the manager with its store, and sets it going.
fn start_manager(
    settings: &Settings,
    client: lxd::Client,
    stocked: &Stocked,
    sources: Sources,
) -> Result<(LxdRunnerManager, Running), DaemonError> {
    let Sources { accounts, application } = sources;
    let ingredients = &stocked.ingredients;
    Ok(manager::start(ManagerOptions {
        rules: Rules {
            prefix: settings.name_prefix.clone(),
            spec: ingredients.spec(&settings.runner.spec),
            deadlines: settings.deadlines.clone(),
            pools: ingredients.pools(settings),
            sweep: settings.limits.sweep,
            remembered: REMEMBERED,
            max_runners: settings.limits.max_runners,
        },
        client,
        runner: runner_source(settings),
        guests: Some(ingredients.guests.clone()),
        stock: Some(stocked.keeper.stock()),
        accounts,
        application,
        state_dir: settings.state_dir.clone(),
        journal: settings.limits.journal,
        logs: log_bounds(settings),
        parallel: parallel(&settings.limits, stocked.driver.as_deref()),
        exec_limit: EXEC_LIMIT,
        limits: OperationLimits::default(),
    })?)
}

fn log_bounds(settings: &Settings) -> LogBounds {
    let logs = &settings.logs;
    let file = usize::try_from(logs.file_size).unwrap_or(usize::MAX);
    LogBounds { age: logs.keep, size: logs.max_size, runners: logs.max_runners, file }
}

fn runner_source(settings: &Settings) -> RunnerSource {
    match application::origin(settings) {
        Origin::Image => RunnerSource::Image,
        Origin::Fixed(_) | Origin::GitHub => RunnerSource::Pushed,
    }
}

/// Is done when nobody publishes records any more.
async fn manager_ended(manager: LxdRunnerManager) {
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
