//! The farm: the real daemon, as a process, with pools, on a real LXD and the stand-in GitHub.
//! Jobs of several repositories, with everything that GitHub and the host do wrong.
//!
//! `support/host.rs` says which LXD that is.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "what is left out, and why a test failed, is said"
)]

#[path = "../support/daemon.rs"]
pub mod daemon;
mod demand;
mod frost;
mod ground;
#[path = "../support/host.rs"]
pub mod host;
mod larm;
#[path = "../support/leftovers.rs"]
pub mod leftovers;
mod logs;
#[path = "../support/metric_events.rs"]
pub mod metric_events;
mod mismatches;
#[path = "../crash/own_lxd.rs"]
mod own_lxd;
#[path = "../support/promtool.rs"]
pub mod promtool;
mod reload;
mod stock;
