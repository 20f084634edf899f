//! A small stand-in for GitHub and for its runner application, so that whole lives of runners can
//! be played on a host that has no GitHub account: for `larm smoke` and for tests.
//!
//! * [`StandIn`] is the server: jobs are queued by the caller, runners register with it, wait for
//!   a job by a long poll, and report. It answers the part of GitHub's REST API that a runner
//!   manager needs (`rest.rs`) and a service of its own for its runners (`service.rs`).
//! * [`Application`] is the runner application: `bin/Runner.Listener`, `bin/Runner.Worker` and
//!   `config.sh` as shell scripts that call the server with curl. It takes the same environment,
//!   prints the same lines, calls the same hooks and has the same process names as GitHub's.
//! * [`Faults`] makes the server misbehave.
//!
//! It checks no user's credentials: whoever can reach it may ask for runners and jobs. Bind it to
//! the guests' bridge only, and only while it is needed.

mod application;
mod jit;
mod record;
mod rest;
mod server;
mod service;
mod state;

pub use application::Application;
pub use record::{Event, EventKind, Faults, JobId, JobRecord, JobSpec, JobState, RunnerRecord};
pub use server::StandIn;
pub use state::Refused;
