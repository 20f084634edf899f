//! The real LXD that tests may use, where the environment names one.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LARM_TEST_LXD_SOCKET` | its socket; without it, or with `none`, real LXD is left out | |
//! | `LARM_TEST_PROJECT` | the project that instances are made in | `default` |
//! | `LARM_TEST_PROFILE` | a profile of it with a disk and a network | `default` |
//! | `LARM_TEST_IMAGE` | alias of an image with systemd and cloud-init | `larm-debian12` |
//! | `LARM_TEST_TYPE` | `container` or `virtual-machine`, as the image is | `container` |
//!
//! `scripts/test` sets them all.

use std::env;
use std::time::Duration;

use larm::lxd::{Client, ClientOptions};

/// A client of the real LXD; `None`, with a word, where that is left out.
pub fn client() -> Option<Client> {
    let socket = env::var("LARM_TEST_LXD_SOCKET").ok().filter(|socket| socket != "none");
    let Some(socket) = socket else {
        println!("left out: LARM_TEST_LXD_SOCKET names no real LXD");
        return None;
    };
    let project = variable("LARM_TEST_PROJECT", "default");
    let timeout = Duration::from_secs(30);
    Some(Client::new(ClientOptions { project, timeout, ..ClientOptions::new(socket) }))
}

/// The image's alias.
pub fn image() -> String {
    variable("LARM_TEST_IMAGE", "larm-debian12")
}

/// What the instances are, in LXD's words.
pub fn instance_type() -> String {
    variable("LARM_TEST_TYPE", "container")
}

/// The profile's name.
pub fn profile() -> String {
    variable("LARM_TEST_PROFILE", "default")
}

/// Another setting of the tests.
pub fn variable(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
