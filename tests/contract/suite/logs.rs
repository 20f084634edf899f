//! Console and log files.

use std::time::Duration;

use larm::lxd::StateChange;
use tokio::time::{sleep, timeout};

use super::{Environment, Guest, Kind, LIMIT};

pub(crate) async fn keep_the_console(environment: Environment) {
    let guest = environment.started().await;
    let (client, name) = (&guest.client, guest.name.as_str());
    if environment.kind == Kind::VirtualMachine {
        assert_eq!(client.console_log(name, 1 << 20).await.unwrap(), None);
        assert!(client.instance_log(name, "qemu.log", 1000).await.unwrap().is_some());
        return;
    }
    assert_eq!(guest.sh("echo marker-$((40+2)) > /dev/console").await.code, 0);
    timeout(LIMIT, says(&guest, "marker-42")).await.expect("the console says it");
    assert_eq!(guest.sh("echo marker-$((40+3)) > /dev/console").await.code, 0);
    guest.change(StateChange::PULL_THE_PLUG).await.unwrap();
    // LXD says that it has stopped a moment before the rest is in the file.
    timeout(LIMIT, says(&guest, "marker-43")).await.expect("what was not read is kept");
    let whole = client.console_log(name, 1 << 20).await.unwrap().unwrap();
    let tail = client.console_log(name, 10).await.unwrap().unwrap();
    assert_eq!(tail, whole.split_at(whole.len().saturating_sub(10)).1);
}

/// What a guest writes is there a moment later, and while it runs LXD tells a line only once.
async fn says(guest: &Guest, what: &str) {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(what) {
        text.extend(
            guest.client.console_log(&guest.name, 1 << 20).await.unwrap().unwrap_or_default(),
        );
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn answer_none_for_what_is_missing(environment: Environment) {
    let client = &environment.client;
    assert_eq!(client.console_log(&environment.stem, 100).await.unwrap(), None);
    assert_eq!(client.instance_log(&environment.stem, "lxc.log", 100).await.unwrap(), None);
}
