//! The real daemon, as a process, on a real LXD: killed at every point of its runners' lives,
//! told to run twice, robbed of its store; and LXD itself ended under it.
//!
//! `support/host.rs` says which LXD that is.
//!
//! It is never ended: `outages` does that to a second one of its
//! own, whose image comes from the first. It needs root, and `lxd` from a distribution's package.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "what is left out, and why a test failed, is said"
)]

#[path = "../support/daemon.rs"]
pub mod daemon;
mod endings;
mod ground;
#[path = "../support/host.rs"]
pub mod host;
#[path = "../support/leftovers.rs"]
pub mod leftovers;
#[path = "../support/metric_events.rs"]
pub mod metric_events;
mod outages;
mod own_lxd;
mod process;
mod twice;
