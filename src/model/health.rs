//! Whether a runner should be kept, and the rule that decides it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CloudInitStatus, CloudRunnerState, Deadlines, Phase, ProbeReading};

/// Whether a runner should be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// It does what it should.
    Healthy,
    /// It is to be collected.
    Unhealthy,
    /// It could not be found out, and is kept: a probe that failed is not a runner that failed.
    Unknown,
}

/// A runner's health, with the reason where it is unhealthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "lowercase")]
pub enum Health {
    /// It does what it should.
    Healthy,
    /// It is to be collected.
    Unhealthy(UnhealthyReason),
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// Why a runner is unhealthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnhealthyReason {
    /// The instance is gone.
    Deleted,
    /// The instance is stopped, or frozen by someone else.
    Stopped,
    /// LXD reports an error of the instance.
    InstanceError,
    /// It stayed in a phase for longer than that phase's deadline.
    DeadlinePassed(Phase),
    /// cloud-init failed; its own words, where it had any.
    CloudInitError(Option<String>),
    /// cloud-init is switched off in the image, or found no data source.
    CloudInitDisabled,
    /// It failed, for this reason.
    Failed(String),
    /// The runner has ended.
    Finished,
    /// The runner's process is gone though its guest has not said that it ended.
    RunnerDied,
}

/// What the rule looks at.
#[derive(Debug, Clone)]
pub struct Vitals<'a> {
    /// The instance's state.
    pub state: CloudRunnerState,
    /// The runner's phase.
    pub phase: Phase,
    /// When its instance was created.
    pub created: Timestamp,
    /// Since when the instance runs, if it does.
    pub started: Option<Timestamp>,
    /// The last probe: a reading, or why there is none. `None` before the guest was ever reached.
    pub probe: Option<&'a Result<ProbeReading, String>>,
    /// Since when the runner's process is missing, if it is.
    pub process_missing_since: Option<Timestamp>,
    /// Whether it is frozen by us: its guest is not asked.
    pub frozen: bool,
}

/// Derives a runner's health; the first rule that decides wins.
pub fn judge(vitals: &Vitals<'_>, deadlines: &Deadlines, now: Timestamp) -> Health {
    by_state(vitals, deadlines, now)
        .or_else(|| vitals.frozen.then_some(Health::Healthy))
        .or_else(|| by_boot(vitals, deadlines, now))
        .or_else(|| by_probe(vitals, deadlines, now))
        .unwrap_or(Health::Healthy)
}

fn by_state(vitals: &Vitals<'_>, deadlines: &Deadlines, now: Timestamp) -> Option<Health> {
    match vitals.state {
        CloudRunnerState::Deleted => Some(Health::Unhealthy(UnhealthyReason::Deleted)),
        CloudRunnerState::Stopped => Some(Health::Unhealthy(UnhealthyReason::Stopped)),
        CloudRunnerState::Error => Some(Health::Unhealthy(UnhealthyReason::InstanceError)),
        CloudRunnerState::Unknown => Some(Health::Unknown("LXD does not answer".to_owned())),
        CloudRunnerState::Created => {
            Some(within(vitals.created, deadlines.create, now, Phase::Creating))
        }
        CloudRunnerState::Active | CloudRunnerState::Unexpected => None,
    }
}

fn by_boot(vitals: &Vitals<'_>, deadlines: &Deadlines, now: Timestamp) -> Option<Health> {
    let unreached = !matches!(vitals.probe, Some(Ok(_))) && vitals.phase <= Phase::Booting;
    unreached.then(|| {
        within(vitals.started.unwrap_or(vitals.created), deadlines.boot, now, Phase::Booting)
    })
}

fn by_probe(vitals: &Vitals<'_>, deadlines: &Deadlines, now: Timestamp) -> Option<Health> {
    let reading = match vitals.probe? {
        Err(why) => return Some(Health::Unknown(why.clone())),
        Ok(reading) => reading,
    };
    match reading.cloud_init.status {
        CloudInitStatus::Error => {
            let detail = reading.cloud_init.detail.clone();
            Some(Health::Unhealthy(UnhealthyReason::CloudInitError(detail)))
        }
        CloudInitStatus::Disabled => Some(Health::Unhealthy(UnhealthyReason::CloudInitDisabled)),
        CloudInitStatus::Done => Some(Health::Unhealthy(UnhealthyReason::Finished)),
        CloudInitStatus::NotStarted | CloudInitStatus::Running | CloudInitStatus::Degraded => {
            let missing = reading.runner_started && !reading.runner_process;
            let since = vitals.process_missing_since.unwrap_or(now);
            (missing && passed(since, deadlines.process_grace, now))
                .then_some(Health::Unhealthy(UnhealthyReason::RunnerDied))
        }
    }
}

fn within(since: Timestamp, limit: SignedDuration, now: Timestamp, phase: Phase) -> Health {
    if passed(since, limit, now) {
        Health::Unhealthy(UnhealthyReason::DeadlinePassed(phase))
    } else {
        Health::Healthy
    }
}

/// Whether `limit` has passed since then. A clock that was set back never makes it so.
pub(super) fn passed(since: Timestamp, limit: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(since) >= limit
}

impl Health {
    /// The state without its reason.
    pub fn state(&self) -> HealthState {
        match self {
            Self::Healthy => HealthState::Healthy,
            Self::Unhealthy(_) => HealthState::Unhealthy,
            Self::Unknown(_) => HealthState::Unknown,
        }
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::Unhealthy(reason) => write!(f, "unhealthy: {reason}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

impl fmt::Display for UnhealthyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("the instance is gone"),
            Self::Stopped => f.write_str("the instance is stopped or frozen"),
            Self::InstanceError => f.write_str("LXD reports an error of the instance"),
            Self::DeadlinePassed(phase) => write!(f, "{phase} for longer than its deadline"),
            Self::CloudInitError(Some(detail)) => write!(f, "cloud-init failed: {detail}"),
            Self::CloudInitError(None) => f.write_str("cloud-init failed"),
            Self::CloudInitDisabled => {
                f.write_str("cloud-init is disabled or found no data source")
            }
            Self::Failed(reason) => f.write_str(reason),
            Self::Finished => f.write_str("finished"),
            Self::RunnerDied => f.write_str("the runner's process is gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CloudInitReading;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn reading(status: CloudInitStatus, process: bool) -> ProbeReading {
        let cloud_init = CloudInitReading { status, degraded: false, detail: None };
        ProbeReading { cloud_init, runner_started: true, runner_process: process }
    }

    fn health(
        state: CloudRunnerState,
        phase: Phase,
        probe: Option<&Result<ProbeReading, String>>,
        seconds: i64,
    ) -> String {
        let vitals = Vitals {
            state,
            phase,
            created: START,
            started: Some(START),
            probe,
            process_missing_since: Some(START),
            frozen: false,
        };
        let now = START + SignedDuration::from_secs(seconds);
        judge(&vitals, &Deadlines::default(), now).to_string()
    }

    #[test]
    fn the_first_rule_that_decides_wins() {
        use CloudRunnerState::{Active, Created, Deleted, Error, Stopped, Unknown};
        let running = Ok(reading(CloudInitStatus::Running, true));
        let dead = Ok(reading(CloudInitStatus::Running, false));
        let done = Ok(reading(CloudInitStatus::Done, false));
        let failed = Ok(reading(CloudInitStatus::Error, true));
        let mute = Err("no answer".to_owned());
        for (state, phase, probe, seconds, expected) in [
            (Deleted, Phase::Busy, Some(&running), 0, "unhealthy: the instance is gone"),
            (
                Stopped,
                Phase::Busy,
                Some(&running),
                0,
                "unhealthy: the instance is stopped or frozen",
            ),
            (
                Error,
                Phase::Busy,
                Some(&running),
                0,
                "unhealthy: LXD reports an error of the instance",
            ),
            (Unknown, Phase::Busy, Some(&failed), 9999, "unknown: LXD does not answer"),
            (Created, Phase::Creating, None, 299, "healthy"),
            (
                Created,
                Phase::Creating,
                None,
                300,
                "unhealthy: creating for longer than its deadline",
            ),
            (Active, Phase::Booting, None, 299, "healthy"),
            (Active, Phase::Booting, Some(&mute), 299, "healthy"),
            (
                Active,
                Phase::Booting,
                Some(&mute),
                300,
                "unhealthy: booting for longer than its deadline",
            ),
            (Active, Phase::Listening, Some(&mute), 9999, "unknown: no answer"),
            (Active, Phase::Listening, Some(&running), 9999, "healthy"),
            (Active, Phase::Listening, Some(&dead), 9, "healthy"),
            (Active, Phase::Listening, Some(&dead), 10, "unhealthy: the runner's process is gone"),
            (Active, Phase::Busy, Some(&done), 0, "unhealthy: finished"),
            (Active, Phase::Booting, Some(&failed), 0, "unhealthy: cloud-init failed"),
        ] {
            assert_eq!(health(state, phase, probe, seconds), expected, "{state} {phase} {seconds}");
        }
    }
}
