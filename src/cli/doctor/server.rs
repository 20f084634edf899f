//! Checks of LXD: the socket, what it can do, and what `larm setup` makes in it.

use super::check::Check;
use super::pool;
use crate::cli::setup::{self, plan, profile};
use crate::config::Settings;
use crate::lxd::{self, Client, ErrorKind};

/// What larm cannot do without, by the names of LXD's API extensions (LXD documentation, "API
/// extensions").
const NEEDED: [&str; 5] =
    ["projects", "instances", "container_exec_recording", "event_lifecycle", "cloud_init"];

/// Asks LXD what it is. Without an answer all other checks of LXD are pointless.
pub(super) async fn connect(client: &Client, checks: &mut Vec<Check>) -> Option<lxd::Server> {
    let socket = client.socket().display().to_string();
    match client.server().await {
        Ok(server) if server.auth == "untrusted" => {
            let fix = "run as root, or as a member of the group lxd (`usermod --append --groups lxd $USER`)";
            checks.push(Check::fail("lxd", format!("{socket}: LXD does not trust this user"), fix));
            None
        }
        Ok(server) => {
            let environment = &server.environment;
            let (name, version) = (&environment.server, &environment.server_version);
            checks.push(Check::ok("lxd", format!("{name} {version} on {socket}")));
            Some(server)
        }
        Err(error) => {
            checks.push(Check::fail("lxd", error.to_string(), unreachable_fix(&error)));
            None
        }
    }
}

/// What to do about an LXD that does not answer.
pub(super) fn unreachable_fix(error: &lxd::Error) -> &'static str {
    if matches!(error.kind(), ErrorKind::NoSocket { .. }) {
        "install LXD (`snap install lxd`, or `apt install lxd`), start it, then `larm setup`"
    } else {
        error.hint().unwrap_or("see LXD's log: `journalctl --unit lxd --lines 20`")
    }
}

/// Whether LXD can do all that larm asks of it.
pub(super) fn extensions(server: &lxd::Server) -> Check {
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !server.has(name)).collect();
    if missing.is_empty() {
        let ready =
            if server.has("instance_ready_state") { ", instance_ready_state too" } else { "" };
        return Check::ok("api extensions", format!("all that larm needs{ready}"));
    }
    Check::fail(
        "api extensions",
        format!("this LXD lacks {}", missing.join(", ")),
        "update LXD to 5.0 LTS or later: `snap refresh lxd --channel=5.21/stable`",
    )
}

/// The project, the profiles, and the pool and bridge that they lead to.
pub(super) async fn prepared(
    client: &Client,
    server: &lxd::Server,
    settings: &Settings,
    checks: &mut Vec<Check>,
) -> Result<(), lxd::Error> {
    checks.push(match client.project_info(client.project()).await? {
        Some(_) => Check::ok("project", client.project()),
        None => Check::fail(
            "project",
            format!("there is no project {}", client.project()),
            "`larm setup`",
        ),
    });
    let mut devices = lxd::Devices::new();
    for name in &settings.runner.spec.profiles {
        let found = client.profile(name).await?;
        checks.push(profile_check(client, server, name, found.as_ref()));
        devices.extend(found.unwrap_or_default().devices);
    }
    let value = |kind: &str, key: &str| {
        let of_kind = |device: &&lxd::Config| device.get("type").is_some_and(|is| is == kind);
        devices.values().filter(of_kind).find_map(|device| device.get(key)).cloned()
    };
    let root = client.with_project(plan::DEFAULT_PROJECT);
    checks.push(match value("disk", "pool") {
        Some(name) => pool::check(&root, server, &name).await?,
        None => Check::fail("storage pool", "no profile has a root disk", "`larm setup`"),
    });
    checks.push(match value("nic", "network") {
        Some(name) => bridge(&root, &name).await?,
        None => Check::warn(
            "bridge",
            "no profile connects to a network of LXD's",
            "`larm setup`, unless the runners' network is made by hand",
        ),
    });
    Ok(())
}

fn profile_check(
    client: &Client,
    server: &lxd::Server,
    name: &str,
    found: Option<&lxd::Profile>,
) -> Check {
    let Some(found) = found else {
        return Check::fail("profile", format!("there is no profile {name}"), "`larm setup`");
    };
    let ours = found.config.contains_key(profile::MARK);
    let drift = if ours { drift(client, server, found) } else { Vec::new() };
    if !drift.is_empty() {
        let detail = format!("{name} differs from what setup made: {}", drift.join(", "));
        return Check::warn("profile", detail, "`larm setup` puts it right");
    }
    Check::ok("profile", name)
}

/// How a profile of our making differs; its own pool and bridge are taken as wanted.
fn drift(client: &Client, server: &lxd::Server, found: &lxd::Profile) -> Vec<String> {
    let value = |device: &str, key: &str| {
        found.devices.get(device).and_then(|device| device.get(key)).cloned().unwrap_or_default()
    };
    let host = setup::host_of(client, server, &value("root", "pool"), &value("eth0", "network"));
    let all = profile::all(&host).unwrap_or_default();
    let wanted = all.iter().find(|profile| profile.name == found.name);
    wanted.map_or_else(Vec::new, |wanted| plan::changes(wanted, found))
}

async fn bridge(client: &Client, name: &str) -> Result<Check, lxd::Error> {
    let Some(network) = client.network(name).await? else {
        return Ok(Check::fail("bridge", format!("there is no bridge {name}"), "`larm setup`"));
    };
    let address = network.config.get("ipv4.address").map_or("no IPv4 address", String::as_str);
    let up = Check::ok("bridge", format!("{name}, {address}"));
    let broken = network.managed && !network.status.is_empty() && network.status != "Created";
    Ok(if broken {
        let detail = format!("{name} is {}", network.status);
        Check::fail("bridge", detail, "see LXD's log: `journalctl --unit lxd --lines 20`")
    } else {
        up
    })
}
