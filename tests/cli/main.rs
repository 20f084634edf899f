//! The built binary, as a user sees it: help, wrong arguments, no daemon, no LXD, a wrong
//! configuration; and what it finds and does on the stand-in LXD. The whole output of each command is
//! in its snapshot.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic")]

#[path = "../support/mod.rs"]
pub mod support;

mod config;
mod daemon;
mod doctor;
mod errors;
mod farm;
mod github;
mod help;
mod image;
mod init;
mod metrics;
mod run;
mod runners;
mod setup;
mod smoke;
mod waits;
