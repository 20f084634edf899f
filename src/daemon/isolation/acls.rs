//! ACLs of LXD's, and their place on bridges.

use std::net::Ipv4Addr;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::lxd::{AclRule, Client, Error, ErrorKind, Network, NetworkChange, NewNetworkAcl};
use crate::model::isolation::{Rule, base};

/// The ACL that makes a bridge isolated.
pub const BASE: &str = "larm";
/// The setting of a network with its ACLs.
pub const ACLS: &str = "security.acls";
/// The settings of a network that say what becomes of traffic that no rule knows.
pub const DEFAULT_ACTIONS: [&str; 2] =
    ["security.acls.default.egress.action", "security.acls.default.ingress.action"];
/// Marks an ACL or a bridge as made by larm, which alone makes it one that larm may change.
pub const MARK: &str = "user.larm.isolation";
/// The mark's value.
pub const MARK_VALUE: &str = "1";
/// The project that `larm setup` makes.
const USUAL_PROJECT: &str = "larm";
/// How often a change that others have overtaken is made again.
pub(super) const TRIES: usize = 20;
/// The pause before it is made again.
const PAUSE: Duration = Duration::from_millis(50);

/// The ACL with the own rules of a larm whose runners are in this project. ACLs are no project's
/// where that has no networks of its own, so two larms with one prefix differ by the project's hash:
/// LXD's names are short, and projects can have characters that ACLs cannot.
pub fn own_name(project: &str, prefix: &str) -> String {
    if project == USUAL_PROJECT {
        return format!("{BASE}-{prefix}");
    }
    let hash = Sha256::digest(project.as_bytes());
    let hash = hash.iter().take(6).fold(0_u64, |hash, byte| (hash << 8) | u64::from(*byte));
    format!("{BASE}{hash:012x}-{prefix}")
}

/// The ACL with what every guest may reach.
pub fn base_acl(host: &[Ipv4Addr]) -> NewNetworkAcl {
    acl(BASE, "larm: the public Internet, but not this host", &[base(host)])
}

pub(super) fn own_acl(name: &str, prefix: &str, rules: &[Rule]) -> NewNetworkAcl {
    let description = format!("larm: what runners of {prefix} need beside the public Internet");
    acl(name, &description, rules)
}

fn acl(name: &str, description: &str, rules: &[Rule]) -> NewNetworkAcl {
    NewNetworkAcl {
        name: name.to_owned(),
        description: description.to_owned(),
        config: [(MARK.to_owned(), MARK_VALUE.to_owned())].into(),
        egress: rules.iter().map(rule).collect(),
        ingress: Vec::new(),
    }
}

fn rule(rule: &Rule) -> AclRule {
    let destination: Vec<String> = rule.destination.iter().map(ToString::to_string).collect();
    let action = if rule.allow { "allow" } else { "reject" };
    AclRule {
        action: action.to_owned(),
        state: "enabled".to_owned(),
        description: rule.reason.clone(),
        destination: destination.join(","),
        protocol: rule.ports.map_or_else(String::new, |ports| ports.transport.as_str().to_owned()),
        destination_port: rule.ports.map_or_else(String::new, |ports| ports.to_string()),
        ..AclRule::default()
    }
}

/// The ACLs of a network, in their order.
pub fn acls_of(network: &Network) -> impl Iterator<Item = &str> {
    let list = network.config.get(ACLS).map_or("", String::as_str);
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// Whether a network is one whose guests larm isolates.
pub fn is_isolated(network: &Network) -> bool {
    acls_of(network).any(|name| name == BASE)
}

/// Makes an ACL, or makes it what it is to be. Whoever made it: its name is larm's.
/// Returns whether it was another.
pub async fn put_acl(client: &Client, wanted: &NewNetworkAcl) -> Result<bool, Error> {
    let mut tries = 1..TRIES;
    loop {
        let done = match client.network_acl_tagged(&wanted.name).await? {
            Some(found) if found.value.is(wanted) => return Ok(false),
            Some(found) => client.update_network_acl(wanted, &found.etag).await,
            None => client.create_network_acl(wanted).await,
        };
        match done {
            Err(error) if is_overtaken(&error) && tries.next().is_some() => {}
            other => return other.map(|()| true),
        }
    }
}

/// Makes an ACL of larm's what it is to be, where it is there. Returns whether it was another.
pub(super) async fn refresh(client: &Client, wanted: &NewNetworkAcl) -> Result<bool, Error> {
    match client.network_acl(&wanted.name).await? {
        Some(found) if found.config.contains_key(MARK) => put_acl(client, wanted).await,
        Some(_) | None => Ok(false),
    }
}

/// Returns whether it was not there.
pub(super) async fn attach(client: &Client, bridge: &str, acl: &str) -> Result<bool, Error> {
    edit(
        client,
        bridge,
        |mut acls| {
            acls.push(acl.to_owned());
            acls
        },
        |acls| acls.iter().any(|one| one == acl),
    )
    .await
}

/// Returns whether it was there.
pub(super) async fn detach(client: &Client, bridge: &str, acl: &str) -> Result<bool, Error> {
    edit(
        client,
        bridge,
        |mut acls| {
            acls.retain(|one| one != acl);
            acls
        },
        |acls| !acls.iter().any(|one| one == acl),
    )
    .await
}

/// Changes the list of a bridge's ACLs until it is as wanted. LXD compares the version before it
/// begins with a change, so what was written is read again. While others change the bridge too, LXD
/// may fail: it does not find an ACL that is there, or a rule of its own in nftables. Returns whether
/// it was another.
async fn edit(
    client: &Client,
    bridge: &str,
    change: impl Fn(Vec<String>) -> Vec<String>,
    is_done: impl Fn(&[String]) -> bool,
) -> Result<bool, Error> {
    let mut tries = 1..TRIES;
    let mut changed = false;
    loop {
        let Some(found) = client.network_tagged(bridge).await? else { return Ok(changed) };
        let acls: Vec<String> = acls_of(&found.value).map(str::to_owned).collect();
        if is_done(&acls) {
            return Ok(changed);
        }
        changed = true;
        let change = NetworkChange {
            description: found.value.description,
            config: [(ACLS.to_owned(), change(acls).join(","))].into(),
        };
        match client.change_network(bridge, &change, &found.etag).await {
            Err(error) if may_pass(&error) && tries.next().is_some() => sleep(PAUSE).await,
            Ok(()) if tries.next().is_some() => {}
            other => return other.map(|()| changed),
        }
    }
}

fn may_pass(error: &Error) -> bool {
    is_overtaken(error) || matches!(error.kind(), ErrorKind::Api { code: 500.., .. })
}

fn is_overtaken(error: &Error) -> bool {
    error.is_changed_meanwhile()
        || error.is_not_found()
        || matches!(error.kind(), ErrorKind::AlreadyExists { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larms_of_one_name_in_two_projects_have_two_acls() {
        assert_eq!(own_name("larm", "ci"), "larm-ci");
        let others = [own_name("default", "ci"), own_name("My_project", "ci")];
        assert_ne!(others[0], others[1]);
        for name in others {
            assert!(name.starts_with("larm") && name.ends_with("-ci"), "{name}");
            assert!(!name.starts_with("larm-"), "{name} may be that of the usual project");
            let longest = name.len() - "ci".len() + 37;
            assert!(longest <= 63, "LXD takes names of 63 characters");
        }
    }
}
