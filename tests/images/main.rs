//! `larm image` on real LXD: generations are built, tried, gone back from and pruned.
//!
//! `support/host.rs` says which LXD that is. Guests must reach their distribution's mirror.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it leaves out"
)]

mod ground;
#[path = "../support/host.rs"]
pub mod host;
mod life;
mod troubles;
