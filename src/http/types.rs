//! The control API's JSON types, as the daemon writes and the command line reads them.
//!
//! They stand apart from the model where the two may change at different times. Unknown fields are
//! refused in requests and ignored in answers.

pub mod farm;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::model::{
    Binding, CloudRunnerState, Failure, Frost, Handover, Health, HealthState, Hold, InstanceName,
    InstanceType, JournalEntry, Phase, Record, Registration, Removal, Retry, RunnerId,
    RunnerMetrics, Spec,
};

/// Who answers, and how LXD is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerInfo {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// What all its instances' names begin with.
    pub name_prefix: String,
    /// How many runners are in each phase.
    pub runners: BTreeMap<Phase, usize>,
    /// The newest journal entry's `seq`.
    pub journal_head: u64,
    /// Why LXD does not answer, if it does not.
    pub lxd_trouble: Option<String>,
}

/// One runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runner {
    /// Its id.
    pub id: RunnerId,
    /// Its instance's name.
    pub name: InstanceName,
    /// Where in its life it is.
    pub phase: Phase,
    /// When it entered its phase.
    pub since: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it entered each phase so far.
    pub reached: BTreeMap<Phase, Timestamp>,
    /// The state of its instance.
    pub state: CloudRunnerState,
    /// Whether it should be kept.
    pub health: HealthState,
    /// Why it is not healthy, if it is not.
    pub health_reason: Option<String>,
    /// What its instance is made from.
    pub instance: Spec,
    /// The pool that it was given to, if it was.
    #[serde(default)]
    pub binding: Option<Binding>,
    /// What is known of its registration at GitHub.
    #[serde(default)]
    pub registration: Registration,
    /// The version of its runner application, where that is known.
    #[serde(default)]
    pub application_version: Option<String>,
    /// What became of its credential.
    pub handover: Handover,
    /// Whether it is frozen until it is needed.
    #[serde(default)]
    pub frost: Frost,
    /// Who wants it removed, if anyone does.
    pub removal: Option<Removal>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// The listener's exit code, once it has ended.
    pub exit_code: Option<i32>,
    /// How many of its processes were killed for lack of memory.
    #[serde(default)]
    pub oom_kills: u32,
    /// How long its instance is held for inspection once it has ended, if it is.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// The action that is being tried again, if one is.
    pub retry: Option<Retry>,
    /// What it has left behind so far.
    pub metrics: RunnerMetrics,
}

/// Many runners.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Runners {
    /// The oldest first.
    pub runners: Vec<Runner>,
}

/// An order for one runner.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateRequest {
    /// What it registers with; without it a standby is made.
    pub credential: Option<CredentialBody>,
    /// What its instance is made from, where it differs from the configuration.
    pub instance: InstanceBody,
}

/// What an instance is made from, where it differs from the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceBody {
    /// The name of the pool it is counted in.
    pub pool: Option<String>,
    /// The image's alias.
    pub image: Option<String>,
    /// The kind of instance.
    #[serde(rename = "type")]
    pub instance_type: Option<InstanceType>,
    /// The LXD profiles it gets, in order.
    pub profiles: Option<Vec<String>>,
    /// CPUs.
    pub cpu: Option<u32>,
    /// Memory, like "4GiB".
    pub memory: Option<String>,
    /// The root disk's size, like "10GiB".
    pub disk: Option<String>,
}

/// What a runner registers with. Its secrets are shown to nobody but the daemon.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum CredentialBody {
    /// An encoded just-in-time configuration.
    JitConfig(#[serde(serialize_with = "expose")] SecretString),
    /// A registration token.
    RegistrationToken(RegistrationBody),
}

/// A registration token, with where and as what to register.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationBody {
    /// The token.
    #[serde(serialize_with = "expose")]
    pub token: SecretString,
    /// `ORGANISATION` or `OWNER/REPOSITORY`.
    pub github: String,
    /// The runner group, for organisations.
    #[serde(default)]
    pub group: Option<String>,
    /// The labels that jobs ask for.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// The runner that was created.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Created {
    /// Its id.
    pub id: RunnerId,
    /// Its instance's name.
    pub name: InstanceName,
}

/// How to remove one runner.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeleteRequest {
    /// Whether a running job may be killed.
    pub force: bool,
    /// Removes its registration from inside the guest too.
    #[serde(serialize_with = "expose_option")]
    pub remove_token: Option<SecretString>,
}

/// How to remove idle runners.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlushRequest {
    /// Whether busy ones are removed too.
    pub busy: bool,
    /// Removes their registrations from inside the guests too.
    #[serde(serialize_with = "expose_option")]
    pub remove_token: Option<SecretString>,
}

/// How to remove unhealthy runners.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CleanupRequest {
    /// Removes their registrations from inside the guests too.
    #[serde(serialize_with = "expose_option")]
    pub remove_token: Option<SecretString>,
}

/// What became of a request to remove runners.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Removed {
    /// What each removed runner left behind.
    pub metrics: Vec<RunnerMetrics>,
    /// Instances that were removed though their runners were gone before.
    #[serde(default)]
    pub orphans: Vec<InstanceName>,
    /// What is still there, and why.
    #[serde(default)]
    pub not_removed: Vec<NotRemoved>,
}

/// A runner or an instance that is still there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotRemoved {
    /// Its name.
    pub name: InstanceName,
    /// Why it is still there.
    pub error: ErrorInfo,
}

/// How long a runner's instance is held once it has ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepRequest {
    /// So long; let go of without it.
    pub length: Option<SignedDuration>,
}

/// The logs that there are of a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Their names, to be asked for one by one.
    pub logs: Vec<String>,
}

/// A part of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Events {
    /// The oldest first.
    pub events: Vec<JournalEntry>,
    /// What to ask for as `after` next: nothing that was asked for lies before it.
    pub next: u64,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorInfo,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// Why, for people.
    pub message: String,
    /// What to do about it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request makes no sense.
    BadRequest,
    /// The caller may not use this socket.
    Forbidden,
    /// There is no such runner, log or route.
    NotFound,
    /// The runner runs a job.
    Busy,
    /// Whether the runner runs a job could not be found out.
    BusyUnknown,
    /// The runner has ended, and its instance is held for inspection.
    Held,
    /// The request does not fit the runner's phase.
    Refused,
    /// The runner failed before it came as far as the caller waited for.
    Failed,
    /// The runner did not come as far as the caller waited for.
    TimedOut,
    /// LXD refused or did not answer.
    Lxd,
    /// The store could not be read or written.
    Store,
    /// The daemon is stopping.
    Stopping,
    /// A failure inside the daemon, or a kind that this version does not know.
    #[serde(other)]
    Internal,
}

impl From<&Record> for Runner {
    fn from(record: &Record) -> Self {
        Self {
            id: record.id().clone(),
            name: record.name.clone(),
            phase: record.phase,
            since: record.since(),
            created_at: record.created_at(),
            reached: record.marks.0.clone(),
            state: record.state,
            health: record.health.state(),
            health_reason: reason(&record.health),
            instance: record.spec.clone(),
            binding: record.binding.clone(),
            registration: record.registration,
            application_version: record.application_version.clone(),
            handover: record.handover,
            frost: record.frost,
            removal: record.removal.clone(),
            failure: record.failure.clone(),
            exit_code: record.exit_code,
            oom_kills: record.oom_kills,
            hold: record.hold,
            retry: record.retry.clone(),
            metrics: record.metrics.clone(),
        }
    }
}

fn reason(health: &Health) -> Option<String> {
    match health {
        Health::Healthy => None,
        Health::Unhealthy(reason) => Some(reason.to_string()),
        Health::Unknown(why) => Some(why.clone()),
    }
}

impl InstanceBody {
    /// The configuration's choice with this request's changes.
    pub fn over(self, default: &Spec) -> Spec {
        let default = default.clone();
        // What is known of the image is not known of another one.
        let same_image = self.image.as_ref().is_none_or(|image| *image == default.image);
        Spec {
            fingerprint: if same_image { default.fingerprint } else { String::new() },
            baked: default.baked.filter(|_| same_image),
            pool: self.pool.unwrap_or(default.pool),
            image: self.image.unwrap_or(default.image),
            instance_type: self.instance_type.unwrap_or(default.instance_type),
            profiles: self.profiles.unwrap_or(default.profiles),
            cpu: self.cpu.or(default.cpu),
            memory: self.memory.or(default.memory),
            disk: self.disk.or(default.disk),
            guest: default.guest,
            nesting: default.nesting,
            share: default.share,
        }
    }
}

/// Writes a secret into a request on its way to the daemon; nothing else serializes these types.
fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

#[expect(clippy::ref_option, reason = "serde's `serialize_with` gives a reference to the field")]
fn expose_option<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}
