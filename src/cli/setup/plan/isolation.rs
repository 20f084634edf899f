//! What setup would do about what guests may reach. Decides, and does nothing.

use super::{Found, Plan, Step, Wanted};
use crate::daemon::isolation::{
    ACLS, BASE, DEFAULT_ACTIONS, MARK, MARK_VALUE, acls_of, base_acl, is_isolated,
};
use crate::lxd::{Config, Network};

/// What LXD must know for it (LXD documentation, "API extensions").
pub(in crate::cli) const NEEDED: &str = "network_bridge_acl";
/// How bridges were made known before they had a mark.
pub(in crate::cli) const DESCRIPTION: &str = "Runners of larm";

/// The ACL that the bridge gets; whether it may have it.
pub(super) fn acl(plan: &mut Plan, found: &Found) -> bool {
    if !found.server.has(NEEDED) {
        plan.remark(format!(
            "this LXD has no network ACLs ({NEEDED}): guests may reach this host and its networks; update LXD"
        ));
        return false;
    }
    let wanted = base_acl(&found.addresses);
    match &found.acl {
        None => plan.steps.push(Step::CreateAcl(wanted)),
        Some(acl) if acl.is(&wanted) => {}
        Some(acl) if acl.config.contains_key(MARK) => plan.steps.push(Step::UpdateAcl(wanted)),
        Some(_) => {
            plan.remark(format!(
                "network ACL {BASE} is there and is not of larm's making: guests are not isolated; rename it"
            ));
            return false;
        }
    }
    true
}

/// A bridge that is there: larm's own is brought up to date, another is left alone.
pub(super) fn bridge(plan: &mut Plan, wanted: &Wanted, bridge: &Network) {
    let name = &wanted.bridge;
    let settings = settings(bridge);
    let differs = |(key, value): &(&String, &String)| bridge.config.get(*key) != Some(*value);
    let changes: Config =
        settings.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect();
    if changes.is_empty() {
        return;
    }
    if is_ours(bridge) {
        if !is_isolated(bridge) {
            plan.remark(format!(
                "guests on {name} will reach the Internet only: a daemon that runs opens what its configuration needs by `larm reload`"
            ));
        }
        plan.steps.push(Step::IsolateBridge { name: name.clone(), changes });
    } else if !is_isolated(bridge) {
        plan.remark(format!(
            "bridge {name} is not of larm's making: its guests may reach this host and its networks, until you isolate it: {}",
            command(bridge)
        ));
    }
}

/// The command that isolates a bridge.
pub(in crate::cli) fn command(bridge: &Network) -> String {
    let settings = settings(bridge).into_iter().filter(|(key, _)| key != MARK);
    let settings: Vec<String> = settings.map(|(key, value)| format!("{key}={value}")).collect();
    format!("`lxc network set {} {}`", bridge.name, settings.join(" "))
}

/// Whether `larm setup` has made it.
pub(in crate::cli) fn is_ours(bridge: &Network) -> bool {
    bridge.config.contains_key(MARK) || bridge.description == DESCRIPTION
}

/// What isolates a bridge, with the ACLs that it has.
pub(in crate::cli) fn settings(bridge: &Network) -> Config {
    let others = acls_of(bridge).filter(|name| *name != BASE);
    let acls: Vec<&str> = if is_isolated(bridge) {
        acls_of(bridge).collect()
    } else {
        [BASE].into_iter().chain(others).collect()
    };
    let reject = |key: &str| (key.to_owned(), "reject".to_owned());
    DEFAULT_ACTIONS
        .into_iter()
        .map(reject)
        .chain([(ACLS.to_owned(), acls.join(",")), (MARK.to_owned(), MARK_VALUE.to_owned())])
        .collect()
}

pub(super) fn changes_text(changes: &Config) -> String {
    let each: Vec<String> = changes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    each.join(", ")
}
