//! What guests may reach: the real daemon on a real LXD, and probes from inside its guests.
//!
//! `support/host.rs` says which LXD that is; `LARM_TEST_BRIDGE` is the isolated bridge that
//! `larm setup` has made (`larmbr0`), and the profile that `support/host.rs` names is on one that is
//! not isolated.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "what is left out, and why a test failed, is said"
)]

#[path = "../support/daemon.rs"]
pub mod daemon;
mod ground;
#[path = "../support/host.rs"]
pub mod host;
mod inside;
#[path = "../support/leftovers.rs"]
pub mod leftovers;
mod probe;
mod shared;
#[path = "../support/mod.rs"]
pub mod support;
