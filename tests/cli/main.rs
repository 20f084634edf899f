//! The built binary, as a user sees it: help, wrong arguments, no daemon, no LXD, a wrong
//! configuration. The whole output of each command is in its snapshot.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic")]

mod daemon;
mod errors;
mod help;
mod run;
