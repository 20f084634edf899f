//! The guest's side of larm, played by hand on real LXD, with the stand-in for GitHub.
//!
//! `support/host.rs` says which LXD that is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod flush;
#[path = "../support/host.rs"]
pub mod host;
mod hostile;
mod life;
mod support;
mod trouble;
