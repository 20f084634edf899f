//! The real daemon, as a process, on a real LXD: killed at every point of its runners' lives,
//! told to run twice, robbed of its store; and LXD itself ended under it.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LARM_TEST_LXD_SOCKET` | real LXD's socket; `none` leaves all of this out | found by itself |
//! | `LARM_TEST_PROJECT` | the project | `default` |
//! | `LARM_TEST_PROFILE` | the profile, with a disk and a bridge | `default` |
//! | `LARM_TEST_IMAGE` | alias of an image with systemd and cloud-init | `larm-debian12` |
//!
//! The LXD of `LARM_TEST_LXD_SOCKET` is never ended: `outages` does that to a second one of its
//! own, whose image comes from the first. It needs root, and `lxd` from a distribution's package.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what is left out, and why a test failed, is said")]

mod endings;
mod ground;
mod outages;
mod own_lxd;
mod process;
mod twice;
