//! Several larms on one bridge: none loses another's rules.

use futures_util::future::join_all;
use larm::daemon::isolation::{self, Resolver, Wanted, acls_of};
use larm::lxd::{Client, ClientOptions, Config, NewNetwork, NewNetworkAcl, NewProfile};

use crate::host;
use crate::support::standin::{StandIn, StandInOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn larms_at_once_keep_each_others_rules_on_the_stand_in() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    keep_each_others_rules(&Client::new(ClientOptions::new(lxd.socket())), 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn larms_at_once_keep_each_others_rules_on_real_lxd() {
    let Some(client) = host::client() else { return };
    keep_each_others_rules(&client, 3).await;
}

fn wanted(prefix: &str, profile: &str) -> Wanted {
    Wanted {
        enforce: true,
        prefix: prefix.to_owned(),
        profiles: [profile.to_owned()].into(),
        needs: vec!["10.9.8.7:443".parse().unwrap()],
        deny: vec!["1.1.1.1".parse().unwrap()],
    }
}

fn config(pairs: &[(&str, &str)]) -> Config {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A bridge as isolated as `larm setup` leaves it, with an ACL of somebody else, and a profile with
/// it; all of one name.
async fn make_bridge(client: &Client, name: &str) {
    let acl = NewNetworkAcl { name: name.to_owned(), ..NewNetworkAcl::default() };
    client.create_network_acl(&acl).await.unwrap();
    if client.network_acl(isolation::BASE).await.unwrap().is_none() {
        isolation::put_acl(client, &isolation::base_acl(&[])).await.unwrap();
    }
    let network = NewNetwork {
        name: name.to_owned(),
        kind: "bridge".to_owned(),
        description: "kept".to_owned(),
        config: config(&[
            ("ipv4.address", "none"),
            ("ipv6.address", "none"),
            (isolation::ACLS, &format!("{},{name}", isolation::BASE)),
        ]),
    };
    client.create_network(&network).await.unwrap();
    let card = config(&[("type", "nic"), ("name", "eth0"), ("network", name)]);
    let devices = [("eth0".to_owned(), card)].into();
    let profile = NewProfile { name: name.to_owned(), devices, ..NewProfile::default() };
    client.create_profile(&profile).await.unwrap();
}

async fn keep_each_others_rules(client: &Client, count: usize) {
    let name = format!("tisos{:06x}", uuid::Uuid::new_v4().as_u64_pair().0 & 0xff_ffff);
    make_bridge(client, &name).await;
    let larms: Vec<Wanted> = (0..count).map(|n| wanted(&format!("{name}-{n}"), &name)).collect();
    let applied = join_all(
        larms
            .iter()
            .map(async |wanted| isolation::apply(client, wanted, &mut Resolver::default()).await),
    );
    for done in applied.await {
        let done = done.unwrap();
        assert!(done.isolated == [name.clone()] && done.changed, "{done:?}");
    }
    expect_rules_of_all(client, &name, &larms).await;
    let removed = larms.iter().map(|one| isolation::remove(client, &one.prefix, &one.profiles));
    for removed in join_all(removed).await {
        removed.unwrap();
    }
    let found = client.network(&name).await.unwrap().unwrap();
    assert_eq!(acls_of(&found).collect::<Vec<_>>(), ["larm", &name]);
    client.delete_profile(&name).await.unwrap();
    client.delete_network(&name).await.unwrap();
    client.delete_network_acl(&name).await.unwrap();
}

async fn expect_rules_of_all(client: &Client, name: &str, larms: &[Wanted]) {
    let found = client.network(name).await.unwrap().unwrap();
    let mut acls: Vec<String> = acls_of(&found).map(str::to_owned).collect();
    assert_eq!(acls.drain(..2).collect::<Vec<_>>(), ["larm", name]);
    acls.sort();
    let mut all: Vec<String> =
        larms.iter().map(|one| isolation::own_name(client.project(), &one.prefix)).collect();
    all.sort();
    assert_eq!(acls, all);
    assert_eq!(found.description, "kept");
    let own = client.network_acl(all.first().unwrap()).await.unwrap().unwrap();
    let actions: Vec<&str> = own.egress.iter().map(|rule| rule.action.as_str()).collect();
    assert_eq!(actions, ["reject", "allow"]);
}
