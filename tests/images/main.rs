//! `larm image` on real LXD: generations are built, tried, gone back from and pruned.
//!
//! `support/host.rs` says which LXD that is. Guests must reach their distribution's mirror.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ground;
#[path = "../support/host.rs"]
pub mod host;
mod life;
mod troubles;
