//! The vocabulary, and every decision about a runner. Pure: no I/O, no clock, no randomness.
//!
//! The life of a runner, as [`Phase`]:
//!
//! ```text
//! Planned -> Creating -> Booting -> Standby -> Listening -> Busy -> Finished -+
//!               |           |          |           |          |               |
//!               +-----------+----------+-> Failed <+----------+               |
//!                                            |                                |
//!                                            +---------> Deleting <-----------+
//!                                                            |
//!                                                           Gone
//! ```
//!
//! Arrows that jump forward over phases exist too: a guest may be seen only after it has moved on
//! twice. No arrow leads back.

mod action;
mod application;
mod budget;
mod deadline;
mod event;
mod frost;
mod github;
mod guest;
mod health;
mod hold;
mod instance;
pub mod isolation;
mod job;
mod journal;
mod metric_event;
mod metrics;
mod name;
pub mod plan;
mod pool;
mod recipe;
mod reconciliation;
mod record;
mod recover;
mod service;
mod size;
mod spec;
mod step;
mod telling;
mod truth;
mod way;

pub use action::{Action, is_watched, pending};
pub use application::{Application, Deprecation, Download, is_install_over};
pub use budget::{Budget, Cost, committed};
pub use deadline::Deadlines;
pub use event::{Event, Fault, Quiesced};
pub use frost::Frost;
pub use github::{GitHubPath, GitHubPathError, GitHubRunner, GitHubRunnerConfig};
pub use guest::{CloudInitReading, CloudInitStatus, Found, GuestPhase, GuestReport, ProbeReading};
pub use health::{Health, HealthState, UnhealthyReason, Vitals, judge};
pub use hold::{Ended, FAILED_HELD, Hold, LONGEST_HOLD, surplus_holds};
pub use instance::{CloudRunnerInstance, CloudRunnerState, InstanceType};
pub use job::{Job, JobId, JobNote, JobState, Sighting, Source};
pub use journal::{JournalEntry, JournalKind};
pub use metric_event::{MetricEvent, MetricFact};
pub use metrics::{PostJobMetrics, PostJobStatus, PreJobMetrics, RunnerMetrics, StatusInfo};
pub use name::{InstanceName, NameError, NamePrefix, RunnerId};
pub use pool::{Binding, DEFAULT_CONNECTION, Pool, Target};
pub use recipe::{Recipe, RecipeParts};
pub use reconciliation::reconciliation;
pub use record::{
    Failure, Handover, Keeper, Kept, Marks, Phase, PhaseError, Purpose, Record, Registration,
    Removal, Retry, Unregistrable,
};
pub use recover::{Observed, Recovery, recover};
pub use service::{
    ExternalContributors, HostPort, JobScript, OnFailure, ProxyConfig, RepoPolicyComplianceConfig,
    SshDebugConnection, SupportServiceConfig,
};
pub use size::{SIZE_UNITS, bytes};
pub use spec::Spec;
pub use step::{Refused, Step, next_due, next_due_after, step};
pub use telling::{JobFacts, Told, Untold, untold};
pub use truth::{Finding, Mismatch, Roll, Suspicions};
pub use way::{Way, WayError};
