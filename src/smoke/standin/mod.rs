//! A small stand-in for GitHub and for its runner application, so that whole lives of runners can
//! be played on a host that has no GitHub account: for `larm smoke` and for tests.
//!
//! * [`StandIn`] is the server: jobs are queued by the caller, runners register with it, wait for
//!   a job by a long poll, and report. It answers the part of GitHub's REST API that a runner
//!   manager needs (`rest/`) and a service of its own for its runners (`service.rs`).
//! * [`Application`] is the runner application: `bin/Runner.Listener`, `bin/Runner.Worker` and
//!   `config.sh` as shell scripts that call the server with curl. It takes the same environment,
//!   prints the same lines, calls the same hooks and has the same process names as GitHub's.
//! * [`Faults`] makes the server misbehave.
//!
//! * [`Hook`] is somebody to be told of jobs by webhooks.
//! * `knobs.rs` has what tests arrange: places, accounts, limits, versions, ghosts.
//!
//! Unless an [`Account`] or an [`App`] is added it checks no user's credentials: whoever can reach
//! it may ask for runners and jobs. Bind it to the guests' bridge only, and only while it is
//! needed.

mod accounts;
mod application;
mod chance;
mod faults;
mod hooks;
mod jit;
mod knobs;
mod limits;
mod needs;
mod places;
mod record;
mod rest;
mod scope;
mod sender;
mod server;
mod service;
mod state;
mod versions;
mod webhooks;

pub use accounts::{Account, AccountKind, App, Installation, Permissions};
pub use application::Application;
pub use faults::{Faults, WebhookFaults};
pub use hooks::{Delivery, Hook};
pub use limits::{LimitSpan, SecondaryLimit};
pub use places::{Group, Organization, Repository};
pub use record::{Event, EventKind, JobId, JobRecord, JobSpec, JobState, RunnerRecord};
pub use scope::Scope;
pub use server::StandIn;
pub use state::Refused;
pub use versions::{DEFAULT_VERSION, Versions};
