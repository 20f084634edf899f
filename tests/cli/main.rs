//! The built binary, as a user sees it: help, wrong arguments, no daemon, no LXD, a wrong
//! configuration, and what it finds in a stand-in for LXD. The whole output of each command is in its snapshot.
//! configuration; and runners on the stand-in LXD. The whole output of each command is in its
//! snapshot.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic")]

#[path = "../support/mod.rs"]
pub mod support;

mod daemon;
mod doctor;
mod errors;
mod farm;
mod help;
mod run;
mod setup;
mod runners;
mod smoke;
mod waits;
