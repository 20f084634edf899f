//! Two real runners on the isolated bridge, asked from inside; and a guest beside it, to show that
//! the same probes succeed there.

use std::time::Duration;

use larm::lxd::Client;

use crate::daemon::Daemon;
use crate::ground::{Ground, PATIENCE, PRIVATE, PROCESSES};
use crate::probe::{Target, open, open_from, sh};

fn target(what: &'static str, address: &str, port: u16) -> Target {
    Target { what, address: address.to_owned(), port }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_reach_what_they_may_and_nothing_else() {
    let Some(ground) = Ground::open().await else { return };
    let (own, elsewhere) = (&ground.address, &ground.elsewhere);
    let allowed = ground.service(own).await;
    let targets = [
        target("a service of the host", own, ground.service(own).await),
        target("a service in another network", elsewhere, ground.service(elsewhere).await),
        target("an allowed service of the host", own, allowed),
        target("an allowed service in another network", elsewhere, ground.service(elsewhere).await),
        target("names", own, 53),
    ];
    let allow = [format!("{own}:{allowed}"), format!("{elsewhere}:{}/tcp", targets[3].port)];
    ground.configure(&allow, &[]);
    let mut larm = Daemon::start(ground.directory.path(), PATIENCE).await;
    // That they come up shows that they reach the stand-in GitHub.
    let [one, other] = ground.two_runners().await;
    let client = &ground.client;

    let free = ground.free_guest().await;
    let here = targets.iter().filter(|one| one.what != "names").map(|one| one.what);
    let without_names: Vec<&str> = here.collect();
    let from_outside = open(client, &free, &targets).await;
    assert!(without_names.iter().all(|one| from_outside.contains(one)), "{from_outside:?}");
    assert_eq!(
        open(client, &one, &targets).await,
        ["an allowed service of the host", "an allowed service in another network", "names"]
    );
    expect_no_metadata(&ground, &one, &free).await;
    let resolved = sh(client, &one, &format!("getent hosts {other}")).await;
    assert!(resolved.contains(&other), "names are resolved at the bridge: {resolved:?}");
    expect_no_neighbour(&ground, &one, &other).await;
    expect_no_stolen_address(&ground, &one, &targets).await;
    expect_unprivileged(client, &one).await;

    ground.configure(&allow, std::slice::from_ref(elsewhere));
    let told = larm.run(&["reload"]);
    assert!(told.status.success(), "{told:?}");
    until_denied(client, &other, &targets).await;
    assert_eq!(larm.stop(), Some(0));
}

/// Where clouds tell their machines secrets, and where private networks use to be: something listens
/// there, and the free guest reaches it.
async fn expect_no_metadata(ground: &Ground, name: &str, free: &str) {
    let mut targets = Vec::new();
    for address in PRIVATE {
        targets.push(target(address, address, ground.service(address).await));
    }
    assert_eq!(open(&ground.client, free, &targets).await, PRIVATE);
    assert_eq!(open(&ground.client, name, &targets).await, Vec::<&str>::new());
}

/// A service of the neighbour answers itself, and not the guest beside it, over IPv4 and IPv6.
async fn expect_no_neighbour(ground: &Ground, name: &str, neighbour: &str) {
    let client = &ground.client;
    let serve = "systemd-run --quiet python3 -m http.server --bind :: 8080";
    sh(client, neighbour, serve).await;
    let (old, new) =
        (ground.address_of(neighbour, false).await, ground.address_of(neighbour, true).await);
    let targets = [target("IPv4", &old, 8080), target("IPv6", &format!("{new}%eth0"), 8080)];
    let serves = async {
        while open(client, neighbour, &targets).await.len() < targets.len() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, serves).await.expect("the neighbour's service answers itself");
    assert_eq!(open(client, name, &targets).await, Vec::<&str>::new());
}

/// A guest that takes another address of the bridge is not heard, and as itself it is.
async fn expect_no_stolen_address(ground: &Ground, name: &str, targets: &[Target]) {
    let client = &ground.client;
    let (subnet, _) = ground.address.rsplit_once('.').unwrap();
    let stolen = format!("{subnet}.251");
    sh(client, name, &format!("ip address add {stolen}/24 dev eth0")).await;
    assert_eq!(open_from(client, name, &stolen, targets).await, Vec::<&str>::new());
    assert!(open(client, name, targets).await.contains(&"names"));
    let before = sh(client, name, "cat /sys/class/net/eth0/address").await;
    sh(client, name, "ip link set eth0 address 02:00:5e:00:53:01").await;
    assert_eq!(open(client, name, targets).await, Vec::<&str>::new());
    sh(client, name, &format!("ip link set eth0 address {}", before.trim())).await;
}

/// What no profile undoes.
async fn expect_unprivileged(client: &Client, name: &str) {
    let instance = client.instance(name).await.unwrap().unwrap();
    if instance.instance_type == "container" {
        for key in ["security.privileged", "security.nesting"] {
            assert_eq!(instance.config.get(key).map(String::as_str), Some("false"), "{key}");
        }
        let limit = instance.expanded_config.get("limits.processes").map(String::as_str);
        assert_eq!(limit, Some(PROCESSES), "a fork bomb would take the host's process ids");
        // Control groups of the second version, or of the first; some hosts show neither.
        let files = "/sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max";
        let most = sh(client, name, &format!("cat {files} 2>/dev/null || true")).await;
        let most = most.trim();
        assert!(most.is_empty() || most == PROCESSES, "the guest has {most}");
    }
}

/// What is denied is so though it is allowed.
async fn until_denied(client: &Client, name: &str, targets: &[Target]) {
    let denied = async {
        while open(client, name, targets).await != ["an allowed service of the host", "names"] {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, denied).await.expect("what is denied is shut");
}
