//! What `larm setup` would do on a stand-in for LXD. Nothing is done: the kernel's limits are the
//! host's own.

use larm::lxd::{Client, ClientOptions, Config, NewProfile};
use serde_json::Value;

use crate::run::Place;
use crate::support::standin::{StandIn, StandInOptions};

/// What setup would do in LXD.
fn steps(place: &Place, lxd: &StandIn, arguments: &[&str]) -> Vec<String> {
    let mut command = place.command(&["setup", "--json"]);
    let output = command.args(arguments).arg("--lxd-socket").arg(lxd.socket()).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = told.get("steps").and_then(Value::as_array).unwrap().iter();
    let text = |step: &Value, field: &str| step.get(field)?.as_str().map(str::to_owned);
    steps
        .filter(|step| text(step, "kind").is_some_and(|kind| !kind.ends_with("-limits")))
        .filter_map(|step| text(step, "text"))
        .collect()
}

fn config(pairs: &[(&str, &str)]) -> Config {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The profile as `larm setup --pool larm --bridge lxdbr0` leaves it, as far as it matters.
fn profile() -> NewProfile {
    let root = config(&[("type", "disk"), ("path", "/"), ("pool", "larm")]);
    let eth0 = config(&[("type", "nic"), ("network", "lxdbr0")]);
    NewProfile {
        name: "larm".to_owned(),
        config: config(&[("user.larm.profile", "1")]),
        devices: [("root".to_owned(), root), ("eth0".to_owned(), eth0)].into(),
        ..NewProfile::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_keeps_the_bridge_of_the_first() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    let client = Client::new(ClientOptions::new(lxd.socket()));
    let place = Place::with_config("[lxd]\nproject = 'default'\n");
    let bridge = "create bridge larmbr0 (IPv4 with NAT, no IPv6, isolated)".to_owned();
    assert!(steps(&place, &lxd, &[]).contains(&bridge));
    client.create_profile(&profile()).await.unwrap();
    let again = steps(&place, &lxd, &[]);
    assert!(!again.contains(&bridge) && !again.concat().contains("eth0.network"), "{again:?}");
    let moved = steps(&place, &lxd, &["--bridge", "br7"]);
    assert!(moved.concat().contains("eth0.network: lxdbr0 -> br7"), "{moved:?}");
}
