//! Plans for hosts in all kinds of states.

use super::*;
use crate::cli::setup::profile::{self, Host};
use crate::cli::sysctl::LIMITS;
use crate::daemon::isolation::base_acl;

fn wanted() -> Wanted {
    let host =
        Host { pool: "larm".into(), bridge: "larmbr0".into(), filters: true, boot_mode: false };
    Wanted {
        project: "larm".into(),
        pool: "larm".into(),
        pool_driver: None,
        pool_size: Some("20GiB".into()),
        bridge: "larmbr0".into(),
        bridge_address: None,
        profiles: profile::all(&host).unwrap(),
    }
}

fn config(pairs: &[(&str, &str)]) -> lxd::Config {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A host on which everything is as setup leaves it.
fn ready() -> Found {
    let profile = wanted().profiles.remove(0);
    let mut server = lxd::Server::default();
    server.api_extensions.insert("network_bridge_acl".into());
    server.environment.storage_supported_drivers =
        vec![lxd::StorageDriver { name: "btrfs".into(), version: String::new() }];
    Found {
        server,
        project: Some(lxd::Project {
            name: "larm".into(),
            config: config(&[("features.images", "false"), ("features.profiles", "true")]),
            ..Default::default()
        }),
        pool: Some(lxd::StoragePool { driver: "btrfs".into(), ..Default::default() }),
        kernel_btrfs: true,
        bridge: Some(lxd::Network {
            kind: "bridge".into(),
            managed: true,
            description: "Runners of larm".into(),
            config: config(&[
                ("ipv4.nat", "true"),
                ("security.acls", "larm,larm-other"),
                ("security.acls.default.egress.action", "reject"),
                ("security.acls.default.ingress.action", "reject"),
                ("user.larm.isolation", "1"),
            ]),
            ..Default::default()
        }),
        acl: Some(acl()),
        addresses: vec![[192, 0, 2, 2].into()],
        profiles: [(
            "larm".to_owned(),
            lxd::Profile {
                name: profile.name,
                description: profile.description,
                config: profile.config,
                devices: profile.devices,
                used_by: vec![],
            },
        )]
        .into(),
        limits: Limits::default(),
        may_raise: true,
        may_keep: true,
    }
}

/// The ACL as LXD has it.
fn acl() -> lxd::NetworkAcl {
    let made = base_acl(&[[192, 0, 2, 2].into()]);
    lxd::NetworkAcl {
        name: made.name,
        description: made.description,
        config: made.config,
        egress: made.egress,
        ..Default::default()
    }
}

fn low_limits() -> Limits {
    let unkept = |index: usize| Unkept { limit: LIMITS[index], value: LIMITS[index].good };
    Limits {
        too_low: vec![TooLow { limit: LIMITS[0], current: 128 }],
        unkept: vec![unkept(0), unkept(2)],
        ..Limits::default()
    }
}

fn texts(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| format!("- {}\n", step.describe().text));
    let remarks = plan.remarks.iter().map(|remark| format!("! {remark}\n"));
    steps.chain(remarks).collect::<Vec<_>>().concat()
}

#[test]
fn a_bare_host_gets_everything() {
    let found = Found {
        project: None,
        pool: None,
        bridge: None,
        acl: None,
        profiles: BTreeMap::new(),
        limits: low_limits(),
        ..ready()
    };
    insta::assert_snapshot!(texts(&plan(&wanted(), &found)), @"
    - raise fs.inotify.max_user_instances from 128 to 8192 for now
    - write /etc/sysctl.d/60-larm.conf for the next boot: fs.inotify.max_user_instances = 8192, kernel.keys.maxkeys = 2000
    - create LXD project larm
    - create storage pool larm (btrfs, 20GiB)
    - create network ACL larm (larm: the public Internet, but not this host)
    - create bridge larmbr0 (IPv4 with NAT, no IPv6, isolated)
    - create profile larm
    ");
}

#[test]
fn limits_are_left_to_root() {
    let found = Found { limits: low_limits(), may_raise: false, may_keep: false, ..ready() };
    insta::assert_snapshot!(texts(&plan(&wanted(), &found)), @"
    ! fs.inotify.max_user_instances is too low, and this user may not raise it: `sudo larm setup`
    ! fs.inotify.max_user_instances, kernel.keys.maxkeys are too low after the next boot, and /etc/sysctl.d/60-larm.conf cannot be written: `sudo larm setup`
    ");
}

#[test]
fn a_ready_host_gets_nothing() {
    assert_eq!(plan(&wanted(), &ready()), Plan::default());
}

/// LXD lists btrfs as soon as its tools are there, and fails to make the pool where the kernel
/// lacks it.
#[test]
fn without_btrfs_the_pool_is_a_directory_and_has_no_size() {
    let lacking = |server: lxd::Server, kernel_btrfs: bool| {
        let found = plan(&wanted(), &Found { server, kernel_btrfs, ..Found::default() });
        assert!(texts(&found).contains("create storage pool larm (dir)\n"));
        found.remarks.concat()
    };
    assert!(lacking(ready().server, false).starts_with("this kernel has no btrfs: "));
    let no_tools = lacking(lxd::Server::default(), true);
    assert!(no_tools.contains("`apt install btrfs-progs`"), "{no_tools}");
}

#[test]
fn a_driver_that_was_asked_for_is_taken_unseen() {
    let asked = Wanted { pool_driver: Some("btrfs".into()), ..wanted() };
    let found = plan(&asked, &Found { server: ready().server, ..Found::default() });
    assert!(texts(&found).contains("create storage pool larm (btrfs, 20GiB)"));
    assert!(found.remarks.is_empty(), "{:?}", found.remarks);
}

#[test]
fn drift_of_our_profile_is_shown_and_mended() {
    let mut found = ready();
    let profile = found.profiles.get_mut("larm").unwrap();
    profile.config.insert("boot.autostart".into(), "true".into());
    profile.devices.get_mut("eth0").unwrap().remove("security.mac_filtering");
    profile.devices.insert("gpu".into(), config(&[("type", "gpu")]));
    insta::assert_snapshot!(texts(&plan(&wanted(), &found)), @"- update profile larm: boot.autostart: true -> false, eth0.security.mac_filtering: (none) -> true, gpu.type: gpu -> (none)");
}

/// LXD refuses to give a profile another pool as long as instances use it.
#[test]
fn a_new_pool_waits_for_the_instances_on_the_old_one() {
    let remarks = |pool: &str, used_by: &[&str]| {
        let mut found = ready();
        let profile = found.profiles.get_mut("larm").unwrap();
        profile.used_by = used_by.iter().map(|path| (*path).to_owned()).collect();
        profile.devices.get_mut("root").unwrap().insert("pool".into(), pool.into());
        profile.config.insert("boot.autostart".into(), "true".into());
        plan(&wanted(), &found).remarks.concat()
    };
    assert!(remarks("old", &["/1.0/instances/a"]).contains("`larm flush`"));
    assert_eq!(remarks("old", &[]), "");
    assert_eq!(remarks("larm", &["/1.0/instances/a"]), "");
}

#[test]
fn what_others_made_is_left_alone() {
    let mut found = ready();
    found.profiles.get_mut("larm").unwrap().config = config(&[("limits.cpu", "2")]);
    found.pool.as_mut().unwrap().driver = "dir".into();
    let bridge = found.bridge.as_mut().unwrap();
    bridge.config.clear();
    bridge.description = "Mine".into();
    found.project.as_mut().unwrap().config = config(&[("features.images", "true")]);
    let plan = plan(&Wanted { pool_driver: Some("btrfs".into()), ..wanted() }, &found);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.remarks.len(), 7, "{:?}", plan.remarks);
}

#[test]
fn a_cluster_is_not_given_pools_of_one_member() {
    let mut found = Found::default();
    found.server.environment.server_clustered = true;
    let text = texts(&plan(&wanted(), &found));
    assert!(!text.contains("create storage pool") && text.contains("cluster"), "{text}");
}

/// A bridge of a version before there was isolation, on which other ACLs are in use.
#[test]
fn an_older_bridge_of_ours_is_isolated() {
    let mut found = ready();
    let bridge = found.bridge.as_mut().unwrap();
    bridge.config = config(&[("ipv4.nat", "true"), ("security.acls", "mine")]);
    found.addresses = vec![[5, 6, 7, 8].into()];
    insta::assert_snapshot!(texts(&plan(&wanted(), &found)), @"
    - update network ACL larm (larm: the public Internet, but not this host)
    - isolate bridge larmbr0: security.acls=larm,mine, security.acls.default.egress.action=reject, security.acls.default.ingress.action=reject, user.larm.isolation=1
    ! guests on larmbr0 will reach the Internet only: a daemon that runs opens what its configuration needs by `larm reload`
    ");
}

#[test]
fn a_bridge_of_others_is_never_isolated() {
    let mut found = ready();
    let bridge = found.bridge.as_mut().unwrap();
    bridge.config = config(&[("ipv4.nat", "true")]);
    bridge.description = "Mine".into();
    bridge.name = "larmbr0".into();
    let plan = plan(&wanted(), &found);
    assert_eq!(plan.steps, []);
    let remarks = plan.remarks.concat();
    assert!(remarks.contains("`lxc network set larmbr0 security.acls=larm security"), "{remarks}");
}

#[test]
fn without_acls_nothing_is_isolated_and_that_is_said() {
    let mut found = Found { bridge: None, acl: None, ..ready() };
    found.server.api_extensions.clear();
    insta::assert_snapshot!(texts(&plan(&wanted(), &found)), @"
    - create bridge larmbr0 (IPv4 with NAT, no IPv6)
    ! this LXD has no network ACLs (network_bridge_acl): guests may reach this host and its networks; update LXD
    ");
}

#[test]
fn an_acl_of_others_is_left_alone() {
    let mut found = Found { bridge: None, ..ready() };
    found.acl.as_mut().unwrap().config.clear();
    let text = texts(&plan(&wanted(), &found));
    assert!(text.contains("no IPv6)\n") && text.contains("not of larm's making"), "{text}");
    found.acl.as_mut().unwrap().egress.clear();
    assert!(!texts(&plan(&wanted(), &found)).contains("update network ACL"));
}
