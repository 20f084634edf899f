//! What runners are given beside their job: proxy, mirror, tmate, checks, scripts, environment, a
//! lifetime. On a real LXD, looked at from inside, with the stand-in GitHub.
//!
//! `support/host.rs` says which LXD that is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "what is left out, and why a test failed, is said"
)]

#[path = "../support/daemon.rs"]
pub mod daemon;
mod farm;
#[expect(dead_code, reason = "the farm's tests use all of it")]
#[path = "../farm/ground.rs"]
mod ground;
mod guest;
#[path = "../support/host.rs"]
pub mod host;
mod inside;
#[expect(dead_code, reason = "the farm's tests use all of it")]
#[path = "../farm/larm.rs"]
mod larm;
#[path = "../support/leftovers.rs"]
pub mod leftovers;
#[expect(dead_code, reason = "the guest's tests use all of it")]
#[path = "../guest/support.rs"]
mod support;
