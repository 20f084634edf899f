//! The files as written: every key may be missing, and unknown keys are refused.

use std::num::{NonZeroU16, NonZeroU32};

use serde::Deserialize;

use super::connection::{ConnectionFragment, ConnectionFragments};
use super::events::EventsFragment;
use super::host::HostFragment;
use super::image::ImageFragment;
use super::isolation::IsolationFragment;
use super::logs::LogsFragment;
use super::metrics::MetricsFragment;
use super::place::Faults;
use super::pool::PoolFragments;
use super::services::ServicesFragment;
use super::settings::{ApplicationOrigin, Tarball};
use super::size::Size;
use super::value::{
    AbsolutePath, GroupName, HoldLength, ImageAlias, Length, LogFilter, Name, Prefix, Sha256,
    WebUrl,
};
use super::webhook::WebhookFragment;
use crate::model::{Deadlines, InstanceType};

/// One file, or several merged.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Fragment {
    pub(super) name_prefix: Option<Prefix>,
    pub(super) state_dir: Option<AbsolutePath>,
    pub(super) control_socket: Option<AbsolutePath>,
    pub(super) control_group: Option<GroupName>,
    pub(super) log: Option<LogFilter>,
    pub(super) lxd: LxdFragment,
    pub(super) runner: RunnerFragment,
    pub(super) deadlines: DeadlineFragment,
    pub(super) limits: LimitFragment,
    pub(super) logs: LogsFragment,
    pub(super) github: ConnectionFragment,
    pub(super) connection: ConnectionFragments,
    pub(super) webhook: WebhookFragment,
    pub(super) metrics: MetricsFragment,
    pub(super) host: HostFragment,
    pub(super) events: EventsFragment,
    pub(super) image: ImageFragment,
    pub(super) services: ServicesFragment,
    pub(super) isolation: IsolationFragment,
    pub(super) pool: PoolFragments,
}

/// `[lxd]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LxdFragment {
    pub(super) socket: Option<AbsolutePath>,
    pub(super) project: Option<Name>,
    pub(super) timeout: Option<Length>,
}

/// `[runner]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, try_from = "RunnerTable")]
pub(super) struct RunnerFragment {
    pub(super) instance_type: Option<InstanceType>,
    pub(super) image: Option<ImageAlias>,
    pub(super) pool: Option<Name>,
    pub(super) profiles: Option<Vec<Name>>,
    pub(super) cpu: Option<NonZeroU32>,
    pub(super) memory: Option<Size>,
    pub(super) disk: Option<Size>,
    pub(super) nesting: Option<bool>,
    pub(super) tarball: Option<Tarball>,
    pub(super) application: Option<ApplicationOrigin>,
    pub(super) lifetime: Option<Length>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RunnerTable {
    #[serde(rename = "type")]
    instance_type: Option<InstanceType>,
    image: Option<ImageAlias>,
    pool: Option<Name>,
    profiles: Option<Vec<Name>>,
    cpu: Option<NonZeroU32>,
    memory: Option<Size>,
    disk: Option<Size>,
    nesting: Option<bool>,
    url: Option<WebUrl>,
    sha256: Option<Sha256>,
    application: Option<ApplicationOrigin>,
    lifetime: Option<Length>,
}

/// `[deadlines]`, or a pool's own
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeadlineFragment {
    create: Option<Length>,
    boot: Option<Length>,
    register: Option<Length>,
    pub(super) job: Option<Length>,
    trouble_grace: Option<Length>,
    process_grace: Option<Length>,
    keep_failed: Option<HoldLength>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitFragment {
    /// No more than fit into 16 bits: beyond that, a number is a slip of the hand.
    pub(super) creates: Option<NonZero16>,
    pub(super) starts: Option<NonZero16>,
    pub(super) deletes: Option<NonZero16>,
    pub(super) max_runners: Option<NonZero16>,
    pub(super) sweep: Option<Length>,
    pub(super) journal: Option<NonZero32>,
}

/// A number from 1 to 65535.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct NonZero16(NonZeroU16);

/// A number from 1 to 2³²-1.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct NonZero32(NonZeroU32);

impl Fragment {
    /// What is written later wins, key by key. `file` is the number of the later one.
    pub(super) fn merge(&mut self, later: Self, file: usize, faults: &mut Faults) {
        merge!(self, later: name_prefix, state_dir, control_socket, control_group, log);
        self.lxd.merge(later.lxd);
        self.runner.merge(later.runner);
        self.deadlines.merge(&later.deadlines);
        self.limits.merge(&later.limits);
        self.logs.merge(&later.logs);
        self.github.merge(later.github, file);
        self.connection.merge(later.connection, file);
        self.webhook.merge(later.webhook, file);
        self.metrics.merge(later.metrics);
        self.host.merge(&later.host);
        self.events.merge(later.events);
        self.image.merge(later.image);
        self.services.merge(later.services, file);
        self.isolation.merge(later.isolation);
        self.pool.merge(later.pool, file, faults);
    }
}

impl LxdFragment {
    fn merge(&mut self, later: Self) {
        merge!(self, later: socket, project, timeout);
    }
}

impl RunnerFragment {
    fn merge(&mut self, later: Self) {
        merge!(self, later: instance_type, image, pool, profiles, cpu, memory, disk);
        merge!(self, later: nesting, tarball, application, lifetime);
    }
}

impl DeadlineFragment {
    pub(super) fn merge(&mut self, later: &Self) {
        merge!(self, later: create, boot, register, job, trouble_grace, process_grace, keep_failed);
    }

    pub(super) fn into_deadlines(self) -> Deadlines {
        let default = Deadlines::default();
        let or = |given: Option<Length>, default| given.map_or(default, |length| length.0);
        Deadlines {
            create: or(self.create, default.create),
            boot: or(self.boot, default.boot),
            register: or(self.register, default.register),
            job: self.job.map(|length| length.0).or(default.job),
            trouble_grace: or(self.trouble_grace, default.trouble_grace),
            process_grace: or(self.process_grace, default.process_grace),
            keep_failed: self.keep_failed.map(|length| length.0).or(default.keep_failed),
        }
    }
}

impl LimitFragment {
    fn merge(&mut self, later: &Self) {
        merge!(self, later: creates, starts, deletes, max_runners, sweep, journal);
    }
}

impl TryFrom<RunnerTable> for RunnerFragment {
    type Error = String;

    /// The tarball's URL and checksum belong together: in one file, so that no drop-in changes
    /// the one and forgets the other.
    fn try_from(table: RunnerTable) -> Result<Self, String> {
        let tarball = match (table.url, table.sha256) {
            (Some(url), Some(sha256)) => Some(Tarball { url: url.0, sha256: sha256.0 }),
            (None, None) => None,
            (Some(_), None) => return Err("`url` is given without `sha256`".to_owned()),
            (None, Some(_)) => return Err("`sha256` is given without `url`".to_owned()),
        };
        let RunnerTable {
            instance_type,
            image,
            pool,
            profiles,
            cpu,
            memory,
            disk,
            nesting,
            application,
            lifetime,
            ..
        } = table;
        Ok(Self {
            instance_type,
            image,
            pool,
            profiles,
            cpu,
            memory,
            disk,
            nesting,
            tarball,
            application,
            lifetime,
        })
    }
}

impl From<NonZero16> for usize {
    fn from(number: NonZero16) -> Self {
        Self::from(number.0.get())
    }
}

impl From<NonZero32> for u64 {
    fn from(number: NonZero32) -> Self {
        Self::from(number.0.get())
    }
}
