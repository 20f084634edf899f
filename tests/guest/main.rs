//! The guest's side of larm, played by hand on real LXD, with the stand-in for GitHub.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LARM_TEST_LXD_SOCKET` | real LXD's socket; `none` leaves these tests out | found by itself |
//! | `LARM_TEST_IMAGE` | alias of an image with systemd, cloud-init and curl | `larm-debian12` |
//! | `LARM_TEST_PROJECT` | the project; its default profile has a disk and a network | `default` |
//! | `LARM_TEST_NETWORK` | the bridge whose address guests reach this host at | `lxdbr0` |

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what it measured"
)]

mod flush;
mod hostile;
mod life;
mod support;
mod trouble;
