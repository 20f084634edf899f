//! What larm records about one runner.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Application, Binding, CloudRunnerInstance, CloudRunnerState, Ended, Frost, Health, Hold,
    InstanceName, JobFacts, ProbeReading, RunnerId, RunnerMetrics, Spec, Target, Told,
};

/// Where in its life a runner is. Later phases compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Accepted and recorded; LXD knows nothing of it yet.
    Planned,
    /// LXD is making and starting its instance.
    Creating,
    /// The instance runs; the guest is not ready.
    Booting,
    /// The guest is ready for a credential.
    Standby,
    /// The runner waits for a job.
    Listening,
    /// The runner runs its job.
    Busy,
    /// The runner has ended; what it left is being collected.
    Finished,
    /// It cannot be used; what it left is being collected.
    Failed,
    /// Its instance is being deleted.
    Deleting,
    /// Its instance was seen to be gone.
    Gone,
}

/// What larm records about one runner. Holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The instance's name, which holds the runner's id.
    pub name: InstanceName,
    /// What its instance is made from.
    pub spec: Spec,
    /// Where in its life it is.
    pub phase: Phase,
    /// When it entered each phase, by the host's clock.
    pub marks: Marks,
    /// The state of its instance as last seen.
    pub state: CloudRunnerState,
    /// Its health as last derived.
    pub health: Health,
    /// Whether LXD has made its instance.
    #[serde(default)]
    pub made: bool,
    /// How long LXD has worked on bringing it up: creation, start, pushes.
    #[serde(default)]
    pub lxd_took: SignedDuration,
    /// Who decides what becomes of it.
    #[serde(default)]
    pub keeper: Keeper,
    /// What it was ordered for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The pool that it was given to, once it was.
    #[serde(default)]
    pub binding: Option<Binding>,
    /// What is known of its registration at GitHub. Only the farm's runners have one that larm
    /// knows of.
    #[serde(default)]
    pub registration: Registration,
    /// Why it could not be registered, the last time that failed.
    #[serde(default)]
    pub unregistrable: Option<Unregistrable>,
    /// How its guest comes by the runner application.
    #[serde(default)]
    pub application: Application,
    /// The version of the runner application that it was given, if the host gave it one.
    #[serde(default)]
    pub application_version: Option<String>,
    /// What became of its credential.
    pub handover: Handover,
    /// Since when its credential is on its way to the guest.
    #[serde(default)]
    pub pushing_since: Option<Timestamp>,
    /// When its credential was pushed.
    pub handed_over_at: Option<Timestamp>,
    /// Whether it is frozen until it is needed.
    #[serde(default)]
    pub frost: Frost,
    /// Since when that is so.
    #[serde(default)]
    pub frost_since: Option<Timestamp>,
    /// LXD would not freeze it: until when it is not asked to again.
    #[serde(default)]
    pub warm_until: Option<Timestamp>,
    /// Who wants it removed, if anyone does.
    pub removal: Option<Removal>,
    /// Why the last wish to remove it that was decided was not granted.
    pub kept: Option<Kept>,
    /// How often a wish to remove it was not granted.
    #[serde(default)]
    pub refusals: u32,
    /// Since when a last probe is under way, because its boot took too long.
    #[serde(default)]
    pub last_probe: Option<Timestamp>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// How it was ended, if somebody wanted it to end.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// How many of its processes were killed for lack of memory, as its guest counts.
    #[serde(default)]
    pub oom_kills: u32,
    /// How long its instance is held for inspection once it has ended, if it is.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// The newest `seq` that its guest reported.
    #[serde(default)]
    pub guest_seq: u64,
    /// What the last probe found, or why it found nothing.
    pub probe: Option<Result<ProbeReading, String>>,
    /// Since when its process is missing, if it is.
    pub process_missing_since: Option<Timestamp>,
    /// Since when its instance looks stopped or faulty, if it does.
    pub trouble_since: Option<Timestamp>,
    /// Its deadlines are put off until then: it was asked for something that takes time.
    pub kept_until: Option<Timestamp>,
    /// The listener's true exit code.
    pub exit_code: Option<i32>,
    /// What it has left behind so far.
    pub metrics: RunnerMetrics,
    /// What of its metrics was there but not what it should be.
    #[serde(default)]
    pub corrupt: Vec<String>,
    /// Whether all that could be collected from it has been.
    #[serde(default)]
    pub collected: bool,
    /// Whether its metrics are in the journal.
    #[serde(default)]
    pub metrics_told: bool,
    /// What monitoring was told of it.
    #[serde(default)]
    pub told: Told,
    /// What GitHub says of its job, as far as the farm has heard.
    #[serde(default)]
    pub job: JobFacts,
    /// Until when monitoring waits for that.
    #[serde(default)]
    pub facts_due: Option<Timestamp>,
    /// How often the action at hand has failed, and when it is tried again.
    pub retry: Option<Retry>,
}

/// When a runner entered each phase, by the host's clock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks(pub std::collections::BTreeMap<Phase, Timestamp>);

/// What became of a runner's credential. The credential itself is never recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handover {
    /// Nobody has given one: a standby.
    None,
    /// One waits in memory for the guest to be ready.
    Wanted,
    /// It is being pushed.
    Pushing,
    /// It was pushed; the guest has not said that it took it.
    Pushed,
    /// The guest took it.
    Taken,
    /// Its record was rebuilt from LXD, and the guest has not been asked.
    Unknown,
}

/// Who decides what becomes of a runner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keeper {
    /// Whoever ordered it. The farm counts it, and leaves it alone.
    #[default]
    Person,
    /// The farm, which made it for its pools.
    Farm,
}

/// What a runner was ordered for. Whom somebody waits for is made first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// For a job that waits, or for a person.
    Awaited,
    /// To be ready when a job comes.
    #[default]
    Spare,
}

/// What is known of a runner's registration at GitHub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// There is none.
    #[default]
    None,
    /// It was asked for; whether GitHub has made it is not known.
    Sought,
    /// GitHub has made it, with this number.
    Known(u64),
    /// It has ended: it was removed, or ended with its job.
    Ended,
}

/// Why a runner could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unregistrable {
    /// Where.
    pub target: Target,
    /// How often in a row.
    pub attempts: u32,
    /// Until when nobody asks there again.
    pub until: Timestamp,
    /// GitHub's words.
    pub error: String,
}

/// A wish to remove a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Since when.
    pub since: Timestamp,
    /// Whether a running job may be killed.
    pub force: bool,
    /// Why, in plain words.
    pub reason: String,
}

/// Why a wish to remove a runner was not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// A job runs.
    Busy,
    /// Whether a job runs could not be found out, for this reason.
    Unreachable(String),
}

/// Why a runner failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The phase it failed in.
    pub phase: Phase,
    /// Why, in plain words.
    pub reason: String,
}

/// How often an action has failed, and when it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Failures so far.
    pub attempts: u32,
    /// When it is tried again.
    pub at: Timestamp,
    /// What the last failure said.
    pub last_error: String,
}

/// A word that names no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no phase: phases are {all}", all = Phase::ALL.map(Phase::as_str).join(", "))]
pub struct PhaseError(String);

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 10] = [
        Self::Planned,
        Self::Creating,
        Self::Booting,
        Self::Standby,
        Self::Listening,
        Self::Busy,
        Self::Finished,
        Self::Failed,
        Self::Deleting,
        Self::Gone,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Creating => "creating",
            Self::Booting => "booting",
            Self::Standby => "standby",
            Self::Listening => "listening",
            Self::Busy => "busy",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Gone => "gone",
        }
    }
}

impl Record {
    /// A runner that was accepted at `now`; `claimed` tells whether a credential waits for it.
    pub fn planned(name: InstanceName, spec: Spec, claimed: bool, now: Timestamp) -> Self {
        let metrics = RunnerMetrics {
            runner_name: name.clone(),
            installation_start_timestamp: Some(seconds(now)),
            installed_timestamp: None,
            pre_job: None,
            post_job: None,
        };
        Self {
            name,
            spec,
            phase: Phase::Planned,
            marks: Marks([(Phase::Planned, now)].into()),
            state: CloudRunnerState::Created,
            health: Health::Healthy,
            made: false,
            lxd_took: SignedDuration::ZERO,
            keeper: Keeper::Person,
            purpose: Purpose::Awaited,
            binding: None,
            registration: Registration::None,
            unregistrable: None,
            application: Application::InImage,
            application_version: None,
            handover: if claimed { Handover::Wanted } else { Handover::None },
            pushing_since: None,
            handed_over_at: None,
            frost: Frost::None,
            frost_since: None,
            warm_until: None,
            removal: None,
            kept: None,
            refusals: 0,
            last_probe: None,
            failure: None,
            ended: None,
            oom_kills: 0,
            hold: None,
            guest_seq: 0,
            probe: None,
            process_missing_since: None,
            trouble_since: None,
            kept_until: None,
            exit_code: None,
            metrics,
            corrupt: Vec::new(),
            collected: false,
            metrics_told: false,
            told: Told::default(),
            job: JobFacts::default(),
            facts_due: None,
            retry: None,
        }
    }

    /// A runner that was found in LXD with our keys and is in no record.
    pub fn adopted(name: InstanceName, spec: Spec, keeper: Keeper, now: Timestamp) -> Self {
        let mut record = Self::planned(name, spec, false, now);
        record.keeper = keeper;
        record.metrics.installation_start_timestamp = None;
        record.made = true;
        record.phase = Phase::Booting;
        record.state = CloudRunnerState::Unknown;
        record.handover = Handover::Unknown;
        record.marks.0.insert(Phase::Booting, now);
        record
    }

    /// Whether its instance is there and it has neither ended nor failed.
    pub fn is_live(&self) -> bool {
        (Phase::Booting..=Phase::Busy).contains(&self.phase)
    }

    /// Whether it may have a job, as far as is known: its guest may have a credential.
    pub fn may_be_busy(&self) -> bool {
        self.is_live() && !matches!(self.handover, Handover::None | Handover::Wanted)
    }

    /// Whether a job may have run in it, as far as is known.
    pub fn may_have_had_job(&self) -> bool {
        self.marks.0.contains_key(&Phase::Busy)
            || self.metrics.pre_job.is_some()
            || !self.corrupt.is_empty()
    }

    /// Whether the farm made it.
    pub fn is_of_farm(&self) -> bool {
        self.keeper == Keeper::Farm
    }

    /// Whether GitHub may know it.
    pub fn may_be_registered(&self) -> bool {
        matches!(self.registration, Registration::Sought | Registration::Known(_))
    }

    /// The pool that it counts for: the one that it was given to, else the one it was made for.
    pub fn pool(&self) -> &str {
        self.binding.as_ref().map_or(self.spec.pool.as_str(), |binding| binding.pool.as_str())
    }

    /// The runner's id.
    pub fn id(&self) -> &RunnerId {
        self.name.id()
    }

    /// Read from disk after an end of larm. A hand-over that was under way then may have come through.
    #[must_use]
    pub fn taken_up(mut self) -> Self {
        if self.handover == Handover::Pushing && self.retry.is_none() {
            let at = self.pushing_since.unwrap_or_else(|| self.since());
            let last_error = "larm ended while it was given its credential".to_owned();
            self.retry = Some(Retry { attempts: 1, at, last_error });
        }
        self
    }

    /// When it was accepted.
    pub fn created_at(&self) -> Timestamp {
        self.marks.0.values().min().copied().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// When it entered its phase.
    pub fn since(&self) -> Timestamp {
        self.marks.0.get(&self.phase).copied().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// What callers see of it.
    pub fn instance(&self) -> CloudRunnerInstance {
        CloudRunnerInstance {
            name: self.name.clone(),
            instance_id: self.id().clone(),
            health: self.health.clone(),
            state: self.state,
        }
    }
}

/// A time as the metrics have it: seconds since the epoch, to the millisecond.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "53 bits of milliseconds last for 285,000 years"
)]
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = PhaseError;

    fn from_str(text: &str) -> Result<Self, PhaseError> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| PhaseError(text.to_owned()))
    }
}
