//! The target that is a real LXD.

use larm::lxd::ClientOptions;

use crate::host;
use crate::suite::{Environment, Kind};

async fn environment(case: &str) -> Option<Environment> {
    let client = host::client()?;
    let kind = match host::instance_type().as_str() {
        "virtual-machine" => Kind::VirtualMachine,
        _ => Kind::Container,
    };
    let options = ClientOptions {
        project: client.project().to_owned(),
        ..ClientOptions::new(client.socket())
    };
    let prefix = host::variable("LARM_TEST_PREFIX", "tlxd-");
    Some(Environment::new(options, host::image(), kind, &prefix, case).await)
}

on_target!(crate::real::environment);
