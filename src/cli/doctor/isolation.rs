//! Checks of what guests may reach and use, and of what keeps them apart.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use super::check::Check;
use crate::cli::setup::plan::isolation::{NEEDED, command, is_ours, settings as wanted_settings};
use crate::config::Settings;
use crate::daemon::isolation::{
    BASE, Card, MARK, Networks, Wanted, acls_of, base_acl, host_addresses, is_isolated, own_name,
};
use crate::lxd::{self, Client, Network, NetworkAcl, Profile};
use crate::model::{InstanceType, Spec};

const NETWORK: &str = "isolation";
const NIC: &str = "nic";
const LIMITS: &str = "guest limits";
const RIGHTS: &str = "guest rights";
/// What keeps a guest from another's address, and from another guest.
const FILTERS: [&str; 3] =
    ["security.mac_filtering", "security.ipv4_filtering", "security.port_isolation"];

/// Looks at bridges, profiles and pools.
pub(super) async fn check(
    client: &Client,
    server: &lxd::Server,
    settings: &Settings,
) -> Result<Vec<Check>, lxd::Error> {
    let wanted = Wanted::of(settings);
    let mut checks = Vec::new();
    let acl = client.network_acl(BASE).await?;
    let networks = Networks::of(client, &wanted.profiles).await?;
    let host = host_addresses();
    let own = own_name(client.project(), &wanted.prefix);
    let known = Known {
        acl: acl.as_ref(),
        host: host.as_ref().map(Vec::as_slice),
        own: &own,
        wanted: &wanted,
    };
    checks.extend(networks.loose.iter().map(loose));
    for bridge in networks.managed {
        checks.push(if server.has(NEEDED) {
            network(&bridge, known)
        } else {
            let detail = format!("{}: this LXD has no network ACLs ({NEEDED})", bridge.name);
            Check::warn(NETWORK, detail, "update LXD to 5.0 LTS or later, then `larm setup`")
        });
    }
    let mut profiles = Vec::new();
    for name in &wanted.profiles {
        profiles.extend(client.profile(name).await?);
    }
    checks.extend(profiles.iter().filter_map(nic));
    let specs: Vec<&Spec> = if settings.pools.is_empty() {
        vec![&settings.runner.spec]
    } else {
        settings.pools.iter().map(|pool| &pool.spec).collect()
    };
    checks.push(limits(&specs, &profiles));
    checks.extend(rights(&specs));
    Ok(checks)
}

/// What bridges are compared with.
#[derive(Clone, Copy)]
struct Known<'a> {
    acl: Option<&'a NetworkAcl>,
    /// This host's addresses.
    host: Result<&'a [Ipv4Addr], &'a io::Error>,
    /// The name of this larm's own ACL.
    own: &'a str,
    wanted: &'a Wanted,
}

/// A card that LXD has no ACLs for.
fn loose(card: &Card) -> Check {
    let Card { profile, device, on } = card;
    let detail = format!(
        "{profile}: {device} is on {on}, which is no network of LXD's: guests are not isolated"
    );
    let fix = format!(
        "`lxc profile device set {profile} {device} network=BRIDGE`, with a bridge of `lxc network list`"
    );
    Check::warn(NETWORK, detail, fix)
}

/// What the guests on one bridge may reach.
fn network(bridge: &Network, known: Known<'_>) -> Check {
    let Known { acl, host, own, wanted } = known;
    let name = &bridge.name;
    let fix = if is_ours(bridge) { "`larm setup`".to_owned() } else { command(bridge) };
    if !is_isolated(bridge) {
        let detail = format!("{name}: guests may reach this host, its networks and each other");
        return Check::warn(NETWORK, detail, fix);
    }
    let differs = wanted_settings(bridge)
        .into_iter()
        .any(|(key, value)| key != MARK && bridge.config.get(&key) != Some(&value));
    if differs {
        let detail = format!("{name} lets through what no rule knows");
        return Check::fail(NETWORK, detail, fix);
    }
    let host = match host {
        Ok(host) => host,
        Err(error) => {
            let detail = format!("{name}: this host's own addresses cannot be read: {error}");
            return Check::fail(NETWORK, detail, "see that /proc/net/fib_trie names 127.0.0.1");
        }
    };
    if acl.is_none_or(|acl| !acl.is(&base_acl(host))) {
        let detail = format!("the rules of network ACL {BASE} are not those for this host now");
        return Check::warn(NETWORK, detail, "`larm setup`");
    }
    if !wanted.enforce {
        let detail =
            format!("{name}: the Internet and DNS; `enforce` is false, the rest stays as it is");
        return Check::warn(NETWORK, detail, "set `enforce = true` in [isolation]");
    }
    let others: Vec<&str> = acls_of(bridge).filter(|one| ![BASE, own].contains(one)).collect();
    let more =
        if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
    if !acls_of(bridge).any(|one| one == own) {
        let detail =
            format!("{name}: the Internet and DNS only, as no daemon has added {own}{more}");
        return Check::warn(NETWORK, detail, "start the daemon, or see its log");
    }
    Check::ok(NETWORK, format!("{name}: the Internet, DNS and what {own} allows{more}"))
}

/// What is missing at a profile's network cards; nothing is said of a profile without one.
fn nic(profile: &Profile) -> Option<Check> {
    let cards = profile
        .devices
        .iter()
        .filter(|(_, device)| device.get("type").is_some_and(|kind| kind == "nic"));
    let mut missing = BTreeSet::new();
    let mut card = None;
    for (name, device) in cards {
        let is_set = |key: &&str| device.get(*key).is_some_and(|value| value == "true");
        missing.extend(FILTERS.into_iter().filter(|key| !is_set(key)));
        card = Some(name);
    }
    let (card, name) = (card?, &profile.name);
    if missing.is_empty() {
        let detail = format!("{name}: guests keep their addresses, and do not see each other");
        return Some(Check::ok(NIC, detail));
    }
    let keys: Vec<&str> = missing.into_iter().collect();
    let settings: Vec<String> = keys.iter().map(|key| format!("{key}=true")).collect();
    let fix = format!(
        "`lxc profile device set {name} {card} {}`; filters need nftables or ebtables on the host",
        settings.join(" ")
    );
    Some(Check::warn(NIC, format!("{name}: {card} lacks {}", keys.join(", ")), fix))
}

/// Whether a job may take all of the host.
fn limits(specs: &[&Spec], profiles: &[Profile]) -> Check {
    let mut missing = BTreeSet::new();
    for spec in specs {
        let of_it = |profile: &&Profile| spec.profiles.contains(&profile.name);
        let has = |key: &str| {
            profiles.iter().filter(of_it).any(|profile| profile.config.contains_key(key))
        };
        let sized = profiles.iter().filter(of_it).any(|profile| {
            profile.devices.values().any(|device| {
                device.get("path").is_some_and(|path| path == "/") && device.contains_key("size")
            })
        });
        let found = [
            ("cpu", spec.cpu.is_some() || has("limits.cpu")),
            ("memory", spec.memory.is_some() || has("limits.memory")),
            ("disk", spec.disk.is_some() || sized),
            // A virtual machine has its own.
            ("processes", !is_container(spec) || has("limits.processes")),
        ];
        missing.extend(found.into_iter().filter(|(_, found)| !found).map(|(key, _)| key));
    }
    if missing.is_empty() {
        return Check::ok(LIMITS, "each guest has its limits of CPUs, memory, disk and processes");
    }
    let keys: Vec<&str> = missing.into_iter().collect();
    let settings: Vec<&str> = keys.iter().copied().filter(|key| *key != "processes").collect();
    let fix = match settings.as_slice() {
        [] => "`larm setup`, or set limits.processes in the profile".to_owned(),
        settings => format!("`larm setup`, or set {} in [runner]", settings.join(", ")),
    };
    Check::warn(LIMITS, format!("a job may use all of the host's {}", keys.join(", ")), fix)
}

fn is_container(spec: &Spec) -> bool {
    spec.instance_type == InstanceType::Container
}

/// What containers may do; of virtual machines there is nothing to say.
fn rights(specs: &[&Spec]) -> Option<Check> {
    let containers: Vec<&&Spec> = specs.iter().filter(|spec| is_container(spec)).collect();
    let nesting: Vec<&str> =
        containers.iter().filter(|spec| spec.nesting).map(|spec| spec.pool.as_str()).collect();
    if containers.is_empty() {
        None
    } else if nesting.is_empty() {
        Some(Check::ok(RIGHTS, "containers are unprivileged and without nesting"))
    } else {
        let detail = format!(
            "{}: jobs may nest containers, with more of the kernel open to them",
            nesting.join(", ")
        );
        Some(Check::warn(RIGHTS, detail, "use virtual machines for code you do not trust"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Status;

    fn bridge(acls: &str) -> Network {
        let mut bridge = Network { name: "br".to_owned(), ..Network::default() };
        bridge.config.insert("security.acls".to_owned(), acls.to_owned());
        bridge.config = wanted_settings(&bridge);
        bridge
    }

    fn acl() -> NetworkAcl {
        let made = base_acl(&[Ipv4Addr::LOCALHOST]);
        NetworkAcl {
            name: made.name,
            description: made.description,
            config: made.config,
            egress: made.egress,
            ..NetworkAcl::default()
        }
    }

    #[test]
    fn a_bridge_is_isolated_only_with_all_of_it() {
        let wanted = Wanted::of(&Settings::default());
        let status = |bridge: &Network, acl: Option<&NetworkAcl>, wanted: &Wanted| {
            let host = Ok(&[Ipv4Addr::LOCALHOST][..]);
            network(bridge, Known { acl, host, own: "larm-larm", wanted }).status
        };
        let (good, base) = (bridge("larm,larm-larm"), acl());
        assert_eq!(status(&good, Some(&base), &wanted), Status::Ok);
        assert_eq!(status(&bridge("larm"), Some(&base), &wanted), Status::Warn);
        let unknown = io::Error::other("gone");
        let known =
            Known { acl: Some(&base), host: Err(&unknown), own: "larm-larm", wanted: &wanted };
        assert_eq!(network(&good, known).status, Status::Fail);
        assert_eq!(status(&Network::default(), Some(&base), &wanted), Status::Warn);
        assert_eq!(status(&good, None, &wanted), Status::Warn);
        let off = Wanted { enforce: false, ..wanted.clone() };
        assert_eq!(status(&good, Some(&base), &off), Status::Warn);
        let mut open = good;
        open.config.remove("security.acls.default.ingress.action");
        assert_eq!(status(&open, Some(&base), &wanted), Status::Fail);
    }

    #[test]
    fn a_card_on_a_bridge_of_the_hosts_is_told_of() {
        let card = Card { profile: "p".into(), device: "eth0".into(), on: "br0".into() };
        let check = loose(&card);
        assert!(check.status == Status::Warn && check.detail.contains("not isolated"), "{check:?}");
    }

    #[test]
    fn filters_and_limits_that_are_missing_are_named() {
        let mut profile = Profile { name: "p".to_owned(), ..Profile::default() };
        assert!(nic(&profile).is_none());
        let card = [("type".to_owned(), "nic".to_owned())];
        profile.devices.insert("eth0".to_owned(), card.into());
        let check = nic(&profile).unwrap();
        assert!(check.status == Status::Warn && check.detail.contains("port_isolation"));
        let set = FILTERS.map(|key| (key.to_owned(), "true".to_owned()));
        profile.devices.get_mut("eth0").unwrap().extend(set);
        assert_eq!(nic(&profile).unwrap().status, Status::Ok);

        let mut spec = Settings::default().runner.spec;
        spec.profiles = vec!["p".to_owned()];
        spec.disk = Some("1GiB".to_owned());
        let found = limits(&[&spec], &[profile.clone()]);
        assert_eq!(found.detail, "a job may use all of the host's cpu, memory");
        for key in ["limits.cpu", "limits.memory"] {
            profile.config.insert(key.to_owned(), "1".to_owned());
        }
        let profiles = [profile];
        assert_eq!(limits(&[&spec], &profiles).status, Status::Ok);
        spec.instance_type = InstanceType::Container;
        let found = limits(&[&spec], &profiles);
        assert_eq!(found.detail, "a job may use all of the host's processes");
        let [mut profile] = profiles;
        profile.config.insert("limits.processes".to_owned(), "8192".to_owned());
        assert_eq!(limits(&[&spec], &[profile]).status, Status::Ok);
    }

    #[test]
    fn nesting_is_told() {
        let mut spec = Settings::default().runner.spec;
        assert!(rights(&[&spec]).is_none());
        spec.instance_type = InstanceType::Container;
        assert_eq!(rights(&[&spec]).unwrap().status, Status::Ok);
        spec.nesting = true;
        assert_eq!(rights(&[&spec]).unwrap().status, Status::Warn);
    }
}
