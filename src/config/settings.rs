//! The checked configuration: what larm runs with.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Serialize, Serializer};

use super::connection::ConnectionSettings;
use super::events::EventsSettings;
use super::fragment::{Fragment, LimitFragment, LxdFragment, RunnerFragment};
use super::group::Group;
use super::host::HostSettings;
use super::image::ImageSettings;
use super::isolation::IsolationSettings;
use super::logs::LogSettings;
use super::metrics::MetricsSettings;
use super::place::Faults;
use super::pool::Surroundings;
use super::services::ServiceSettings;
use super::value::{Length, Name};
use super::webhook::WebhookSettings;
use crate::model::{DEFAULT_CONNECTION, Deadlines, InstanceType, NamePrefix, Pool, Spec};

/// The longest that GitHub lets a job on a self-hosted runner take (GitHub documentation, "Actions
/// limits").
const LIFETIME: SignedDuration = SignedDuration::from_hours(5 * 24);

/// What larm runs with. `Settings::default()` is what an empty configuration means.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// What the names of all instances begin with.
    pub name_prefix: NamePrefix,
    /// Where the store and the kept logs are.
    pub state_dir: PathBuf,
    /// The socket of the control API.
    pub control_socket: PathBuf,
    /// The group that may use the control API beside root; without it nobody else may.
    pub control_group: Option<Group>,
    /// What is logged, as a filter of `tracing-subscriber`.
    pub log: String,
    /// How LXD is reached.
    pub lxd: LxdSettings,
    /// What runners are made from.
    pub runner: RunnerSettings,
    /// How long a runner may take for each part of its life.
    pub deadlines: Deadlines,
    /// How much of anything there may be.
    pub limits: LimitSettings,
    /// How much is kept of what dead runners left.
    pub logs: LogSettings,
    /// Where GitHub is, for credentials that come by hand.
    pub github: GitHubSettings,
    /// The accounts at GitHub: that of `[github]` first, then the others by name.
    pub connections: Vec<ConnectionSettings>,
    /// Where webhooks come in, if they do.
    pub webhook: Option<WebhookSettings>,
    /// Where Prometheus may look.
    pub metrics: MetricsSettings,
    /// What runners may use of this machine.
    pub host: HostSettings,
    /// The file that metric events are written to.
    pub events: EventsSettings,
    /// The golden image that the daemon keeps fresh.
    pub image: ImageSettings,
    /// Services given to guests.
    pub services: ServiceSettings,
    /// What guests may reach.
    pub isolation: IsolationSettings,
    /// The pools, in the order in which they are written first.
    pub pools: Vec<Pool>,
}

/// How LXD is reached.
#[derive(Debug, Clone, Serialize)]
pub struct LxdSettings {
    /// Its unix socket; looked for at the usual places without it.
    pub socket: Option<PathBuf>,
    /// The LXD project that the instances live in.
    pub project: String,
    /// How long an ordinary request may take.
    #[serde(serialize_with = "friendly")]
    pub timeout: Duration,
}

/// What runners are made from.
#[derive(Debug, Clone, Serialize)]
pub struct RunnerSettings {
    /// What their instances are made from.
    pub spec: Spec,
    /// How long a guest may live at most before its job, and again with it.
    pub lifetime: SignedDuration,
    /// The runner application to install; without it the image has it.
    pub tarball: Option<Tarball>,
    /// Where the application comes from if no tarball is named; decided by whether GitHub can be
    /// asked without it.
    pub application: Option<ApplicationOrigin>,
}

/// Where the runner application comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationOrigin {
    /// The newest that GitHub lists, fetched once by the host.
    GitHub,
    /// It is in the image, at `/opt/actions-runner`.
    Image,
}

/// The runner application's tarball.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tarball {
    /// Where the host fetches it from, http or https, to give it to guests.
    pub url: String,
    /// Its SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// How much of anything there may be.
#[derive(Debug, Clone, Serialize)]
pub struct LimitSettings {
    /// How many instances are created at once; by cores and storage driver without it.
    pub creates: Option<usize>,
    /// How many are started at once.
    pub starts: Option<usize>,
    /// How many are deleted at once.
    pub deletes: Option<usize>,
    /// How many runners there may be at once, if that is limited.
    pub max_runners: Option<usize>,
    /// How often everything is looked at, even if no event asks for it.
    #[serde(serialize_with = "friendly")]
    pub sweep: Duration,
    /// How many journal entries are kept.
    pub journal: u64,
}

/// Where GitHub is.
#[derive(Debug, Clone, Serialize)]
pub struct GitHubSettings {
    /// Its base URL, without a slash at the end.
    pub url: String,
}

/// What flags on the command line say; each wins over the files.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The socket of the control API.
    pub control_socket: Option<PathBuf>,
    /// The socket of LXD.
    pub lxd_socket: Option<PathBuf>,
    /// The LXD project.
    pub lxd_project: Option<String>,
    /// Where the store is.
    pub state_dir: Option<PathBuf>,
    /// The kind of instance.
    pub instance_type: Option<InstanceType>,
    /// What is logged.
    pub log: Option<String>,
}

impl Settings {
    /// Whether any runner may be a container.
    pub fn uses_containers(&self) -> bool {
        let pools = self.pools.iter().map(|pool| pool.spec.instance_type);
        let mut types = pools.chain([self.runner.spec.instance_type]);
        types.any(|kind| kind == InstanceType::Container)
    }

    /// Fills what is not written with defaults, and notes what does not fit together.
    pub(super) fn from_fragment(written: Fragment, faults: &mut Faults) -> Self {
        let path = |text: &str| PathBuf::from(text);
        let runner = RunnerSettings::from_fragment(written.runner);
        let limits = LimitSettings::from_fragment(&written.limits);
        let default_has_auth = written.github.has_auth();
        let further = written.connection.into_settings(faults);
        let around = Surroundings {
            spec: &runner.spec,
            deadlines: written.deadlines,
            connections: further.iter().map(|connection| connection.name.as_str()).collect(),
            default_has_auth,
            lifetime: runner.lifetime,
            max_runners: limits.max_runners,
        };
        let pools = written.pool.into_pools(&around, faults);
        let default = written.github.into_settings(DEFAULT_CONNECTION.to_owned(), faults);
        Self {
            name_prefix: written.name_prefix.unwrap_or_default().0,
            state_dir: written.state_dir.map_or_else(|| path("/var/lib/larm"), |dir| dir.0),
            control_socket: written
                .control_socket
                .map_or_else(|| path("/run/larm/control.sock"), |socket| socket.0),
            control_group: written.control_group.and_then(|group| group.0),
            log: written.log.map_or_else(|| "info".to_owned(), |log| log.0),
            lxd: LxdSettings::from_fragment(written.lxd),
            runner,
            deadlines: written.deadlines.into_deadlines(),
            limits,
            logs: written.logs.into_settings(),
            github: GitHubSettings { url: default.url.clone() },
            connections: [vec![default], further].concat(),
            webhook: written.webhook.into_settings(faults),
            metrics: written.metrics.into_settings(),
            host: written.host.into_settings(),
            events: written.events.into_settings(),
            image: written.image.into_settings(),
            services: written.services.into_settings(faults),
            isolation: written.isolation.into_settings(),
            pools,
        }
    }

    /// The file that metric events are written to.
    pub fn events_file(&self) -> PathBuf {
        self.events.file.clone().unwrap_or_else(|| self.state_dir.join("events.jsonl"))
    }

    /// The connection of this name.
    pub fn connection(&self, name: &str) -> Option<&ConnectionSettings> {
        self.connections.iter().find(|connection| connection.name == name)
    }

    /// Lets what flags say win.
    pub(super) fn override_with(&mut self, flags: Overrides) {
        let Overrides { control_socket, lxd_socket, lxd_project, state_dir, instance_type, log } =
            flags;
        replace(&mut self.control_socket, control_socket);
        replace(&mut self.state_dir, state_dir);
        replace(&mut self.log, log);
        replace(&mut self.lxd.project, lxd_project);
        replace(&mut self.runner.spec.instance_type, instance_type);
        self.lxd.socket = lxd_socket.or_else(|| self.lxd.socket.take());
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_fragment(Fragment::default(), &mut Faults::default())
    }
}

impl LxdSettings {
    fn from_fragment(written: LxdFragment) -> Self {
        Self {
            socket: written.socket.map(|socket| socket.0),
            project: written.project.map_or_else(|| "larm".to_owned(), |name| name.0),
            timeout: written.timeout.map_or(Duration::from_secs(30), Length::unsigned),
        }
    }
}

impl RunnerSettings {
    fn from_fragment(written: RunnerFragment) -> Self {
        let name = |given: Option<Name>, default: &str| {
            given.map_or_else(|| default.to_owned(), |name| name.0)
        };
        let profiles = written.profiles.unwrap_or_else(|| vec![Name("larm".to_owned())]);
        Self {
            spec: Spec {
                pool: name(written.pool, "default"),
                image: written.image.map_or_else(|| "larm-debian12".to_owned(), |alias| alias.0),
                instance_type: written.instance_type.unwrap_or_default(),
                profiles: profiles.into_iter().map(|profile| profile.0).collect(),
                cpu: written.cpu.map(std::num::NonZeroU32::get),
                memory: written.memory.map(|size| size.0),
                disk: written.disk.map(|size| size.0),
                fingerprint: String::new(),
                baked: None,
                guest: String::new(),
                nesting: written.nesting.unwrap_or_default(),
                share: String::new(),
            },
            lifetime: written.lifetime.map_or(LIFETIME, |length| length.0),
            tarball: written.tarball,
            application: written.application,
        }
    }
}

impl LimitSettings {
    fn from_fragment(written: &LimitFragment) -> Self {
        Self {
            creates: written.creates.map(usize::from),
            starts: written.starts.map(usize::from),
            deletes: written.deletes.map(usize::from),
            max_runners: written.max_runners.map(usize::from),
            sweep: written.sweep.map_or(Duration::from_mins(1), Length::unsigned),
            journal: written.journal.map_or(100_000, u64::from),
        }
    }
}

fn replace<T>(value: &mut T, by: Option<T>) {
    if let Some(by) = by {
        *value = by;
    }
}

fn friendly<S: Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let signed = SignedDuration::try_from(*length).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&format!("{signed:#}"))
}

/// As [`friendly`]; "off" for none.
#[expect(clippy::ref_option, reason = "serde passes a field's reference")]
pub(super) fn friendly_option<S: Serializer>(
    length: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match length {
        Some(length) => friendly(length, serializer),
        None => serializer.serialize_str("off"),
    }
}
