//! The metric events: what monitoring reads as one JSON object a line.

use serde::{Deserialize, Serialize};

use super::{PostJobStatus, StatusInfo};

/// One metric event. All times are seconds since the epoch, all durations seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricEvent {
    /// When it happened.
    pub timestamp: f64,
    /// What happened.
    #[serde(flatten)]
    pub what: MetricFact,
}

/// What a metric event tells; `flavor` is the manager's name, which instance names begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum MetricFact {
    /// A guest is ready for its runner.
    RunnerInstalled {
        /// The manager's name.
        flavor: String,
        /// From the beginning of the creation until the guest was ready.
        duration: f64,
    },
    /// A runner has begun its job.
    RunnerStart {
        /// The manager's name.
        flavor: String,
        /// The workflow's name.
        workflow: String,
        /// `OWNER/REPOSITORY`.
        repo: String,
        /// What triggered the workflow.
        github_event: String,
        /// How long the runner was ready before.
        idle: f64,
        /// How long the job waited at GitHub, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue_duration: Option<f64>,
    },
    /// A runner that had a job has ended.
    RunnerStop {
        /// The manager's name.
        flavor: String,
        /// The workflow's name.
        workflow: String,
        /// `OWNER/REPOSITORY`.
        repo: String,
        /// What triggered the workflow.
        github_event: String,
        /// How its process ended.
        status: PostJobStatus,
        /// More about that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status_info: Option<StatusInfo>,
        /// How long the job took.
        job_duration: f64,
        /// How the job ended by GitHub's account, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_conclusion: Option<String>,
    },
    /// A sweep has compared everything with everything.
    Reconciliation {
        /// The manager's name.
        flavor: String,
        /// Runners that ended without a word since the last one, their job unfinished.
        crashed_runners: u64,
        /// Runners that wait for a job.
        idle_runners: u64,
        /// Runners with a job.
        active_runners: u64,
        /// Runners that there are to be, where the configuration says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_runners: Option<u64>,
        /// How long it took.
        duration: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_as_dashboards_read_them() {
        let stop = MetricEvent {
            timestamp: 1_700_000_200.0,
            what: MetricFact::RunnerStop {
                flavor: "small".to_owned(),
                workflow: "w".to_owned(),
                repo: "o/r".to_owned(),
                github_event: "push".to_owned(),
                status: PostJobStatus::Abnormal,
                status_info: Some(StatusInfo { code: 1 }),
                job_duration: 100.0,
                job_conclusion: Some("failure".to_owned()),
            },
        };
        let text = serde_json::to_string(&stop).unwrap();
        assert_eq!(
            text,
            r#"{"timestamp":1700000200.0,"event":"runner_stop","flavor":"small","workflow":"w","repo":"o/r","github_event":"push","status":"abnormal","status_info":{"code":1},"job_duration":100.0,"job_conclusion":"failure"}"#
        );
        assert_eq!(serde_json::from_str::<MetricEvent>(&text).unwrap(), stop);
        let installed = MetricEvent {
            timestamp: 1_700_000_000.0,
            what: MetricFact::RunnerInstalled { flavor: "small".to_owned(), duration: 99.5 },
        };
        assert_eq!(
            serde_json::to_string(&installed).unwrap(),
            r#"{"timestamp":1700000000.0,"event":"runner_installed","flavor":"small","duration":99.5}"#
        );
    }
}
