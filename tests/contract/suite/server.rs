//! What is asked of the server itself.

use std::collections::BTreeMap;

use larm::lxd::{Client, ClientOptions, ErrorKind, NewProfile, Project};

use super::{Environment, Kind};

pub(crate) async fn says_what_it_is(environment: Environment) {
    let server = environment.client.server().await.unwrap();
    assert!(server.has("container_exec_recording"), "exec with recorded output");
    assert!(server.has("instances") || server.environment.server == "incus");
    assert_eq!(server.auth, "trusted");
    assert!(!server.environment.server_version.is_empty());
    assert!(server.environment.driver.contains("lxc") || server.runs_virtual_machines());
    if environment.kind == Kind::VirtualMachine {
        assert!(server.runs_virtual_machines());
    }
}

pub(crate) async fn knows_pools_and_networks(environment: Environment) {
    let client = &environment.client;
    let profile = client.profile("default").await.unwrap().unwrap();
    let root = profile.devices.values().find(|device| device.get("path") == Some(&"/".to_owned()));
    let pool = root.and_then(|device| device.get("pool")).expect("the default profile has a disk");
    let found = client.storage_pool(pool).await.unwrap().unwrap();
    assert!(client.storage_pools().await.unwrap().contains(&found));
    let space = client.storage_pool_space(pool).await.unwrap();
    assert!(space.total > 0 && space.free() > 0, "{space:?}");
    assert_eq!(client.storage_pool("no-such-pool").await.unwrap(), None);

    let nic = profile.devices.values().find(|device| device.contains_key("network"));
    let network = nic.and_then(|device| device.get("network")).expect("a network as well");
    let network = client.network(network).await.unwrap().unwrap();
    assert!(network.managed && network.config.contains_key("ipv4.address"), "{network:?}");
    assert_eq!(client.network("nosuchbr0").await.unwrap(), None);
}

pub(crate) async fn finds_an_image_by_alias(environment: Environment) {
    let image = environment.client.image_by_alias(&environment.image).await.unwrap().unwrap();
    assert_eq!(image.kind, environment.kind.word());
    assert_eq!(image.fingerprint.len(), 64);
    assert_eq!(environment.client.image_by_alias("no-such-alias").await.unwrap(), None);
}

pub(crate) async fn keeps_projects_and_profiles(environment: Environment) {
    let name = environment.stem.clone();
    let client = environment.client.with_project(&name);
    assert_eq!(client.project_info(&name).await.unwrap(), None);
    let config = BTreeMap::from([("features.images".to_owned(), "false".to_owned())]);
    let project = Project { name: name.clone(), description: "test".to_owned(), config };
    client.create_project(&project).await.unwrap();
    let again = client.create_project(&project).await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::AlreadyExists { .. }), "{again}");
    let found = client.project_info(&name).await.unwrap().unwrap();
    assert_eq!(found.config.get("features.images").map(String::as_str), Some("false"));

    assert_eq!(client.profile("p").await.unwrap(), None);
    let mut profile = NewProfile { name: "p".to_owned(), ..NewProfile::default() };
    client.create_profile(&profile).await.unwrap();
    profile.config = BTreeMap::from([("limits.cpu".to_owned(), "1".to_owned())]);
    "changed".clone_into(&mut profile.description);
    client.update_profile(&profile).await.unwrap();
    let found = client.profile("p").await.unwrap().unwrap();
    assert_eq!((found.config, found.description), (profile.config, profile.description));
    assert_eq!(environment.client.profile("p").await.unwrap(), None, "projects are apart");

    assert!(client.instances().await.unwrap().is_empty());
    client.delete_profile("p").await.unwrap();
    client.delete_project(&name).await.unwrap();
}

pub(crate) async fn refuses_politely_without_a_socket(_environment: Environment) {
    let client = Client::new(ClientOptions::new("/nowhere/unix.socket"));
    let error = client.server().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoSocket { .. }), "{error}");
    assert!(error.is_transient() && error.hint().is_some());
    assert!(error.to_string().contains("/nowhere/unix.socket"), "{error}");
    for path in ["", "unix.socket", "/a b/\u{e9}"] {
        assert!(Client::new(ClientOptions::new(path)).server().await.is_err(), "{path}");
    }
}
