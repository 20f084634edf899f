//! The target that is a real LXD.

use std::env;
use std::path::Path;

use larm::lxd::{ClientOptions, find_socket};

use crate::suite::{Environment, Kind};

async fn environment(case: &str) -> Option<Environment> {
    let variable = |name: &str, default: &str| env::var(name).unwrap_or(default.to_owned());
    let explicit = env::var("LARM_TEST_LXD_SOCKET").ok();
    if explicit.as_deref() == Some("none") {
        println!("{case}: left out, LARM_TEST_LXD_SOCKET is `none`");
        return None;
    }
    let socket = find_socket(explicit.as_deref().map(Path::new)).unwrap();
    let kind = match variable("LARM_TEST_TYPE", "container").as_str() {
        "virtual-machine" => Kind::VirtualMachine,
        _ => Kind::Container,
    };
    let options = ClientOptions {
        project: variable("LARM_TEST_PROJECT", "default"),
        ..ClientOptions::new(socket)
    };
    let image = variable("LARM_TEST_IMAGE", "larm-test-debian12");
    let prefix = variable("LARM_TEST_PREFIX", "tlxd-");
    Some(Environment::new(options, image, kind, &prefix, case).await)
}

on_target!(crate::real::environment);
