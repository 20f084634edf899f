//! Creating instances, and what is wrong with the order.

use std::collections::BTreeMap;

use larm::lxd::{
    CopyInstance, Error, ErrorKind, ImageSource, NewInstance, NewProfile, StateChange, StatusCode,
};

use super::{Environment, Guest, Kind, LIMIT};

pub(crate) async fn keeps_what_it_was_given(environment: Environment) {
    let mut new = environment.new_instance();
    new.ephemeral = true;
    new.config.insert("cloud-init.user-data".to_owned(), "#cloud-config\n{}\n".to_owned());
    let guest = environment.create(&new).await;
    let found = guest.client.instance(&guest.name).await.unwrap().unwrap();
    assert_eq!(found.name, guest.name);
    assert_eq!(found.status_code, StatusCode::STOPPED);
    assert_eq!(found.instance_type, environment.kind.word());
    assert!(found.ephemeral);
    assert_eq!(found.profiles, ["default"]);
    for (key, value) in &new.config {
        assert_eq!(found.config.get(key), Some(value), "{key}");
    }
    assert!(found.created_at.is_some_and(|at| at.as_second() > 1_600_000_000));
    assert!(found.expanded_devices.values().any(|device| device.contains_key("pool")));
}

pub(crate) async fn tells_what_was_never_started(environment: Environment) {
    let guest = environment.created().await;
    let found = guest.client.instance(&guest.name).await.unwrap().unwrap();
    assert!(found.awaits_first_start(), "{found:?}");
    guest.change(StateChange::Start).await.unwrap();
    let found = guest.client.instance(&guest.name).await.unwrap().unwrap();
    assert!(!found.awaits_first_start(), "{found:?}");
}

pub(crate) async fn accepts_a_name_twice_and_fails_in_the_operation(environment: Environment) {
    let guest = environment.created().await;
    let error = fails(&environment, &environment.new_instance()).await;
    assert!(matches!(error.kind(), ErrorKind::AlreadyExists { .. }), "{error}");
    assert!(guest.client.instance(&guest.name).await.unwrap().is_some(), "the first one stays");
}

pub(crate) async fn refuses_an_unknown_image_at_once(environment: Environment) {
    let new = NewInstance {
        image: ImageSource::Alias("no-such".to_owned()),
        ..environment.new_instance()
    };
    let error = environment.client.create_instance(&new).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ImageMissing { .. }), "{error}");
    assert!(error.hint().is_some() && error.to_string().contains(&new.name), "{error}");
}

pub(crate) async fn refuses_a_bad_name(environment: Environment) {
    for name in ["under_score", "-x", "9", &"x".repeat(64), "a b"] {
        let new = NewInstance { name: name.to_owned(), ..environment.new_instance() };
        let guest = environment.guard(name);
        let error = fails(&environment, &new).await;
        assert!(!error.is_transient() && !error.is_not_found(), "{error}");
        drop(guest);
    }
}

pub(crate) async fn fails_on_an_image_of_the_other_type(environment: Environment) {
    let other = match environment.kind {
        Kind::Container => Kind::VirtualMachine,
        Kind::VirtualMachine => Kind::Container,
    };
    let instance_type = other.word().to_owned();
    let new = NewInstance { instance_type, ..environment.new_instance() };
    let guest = environment.guard(&new.name);
    let error = fails(&environment, &new).await;
    assert!(matches!(error.kind(), ErrorKind::ImageOfOtherType { .. }), "{error}");
    assert!(error.hint().is_some() && !error.is_transient(), "{error}");
    drop(guest);
}

pub(crate) async fn fails_on_an_unknown_pool(environment: Environment) {
    let mut new = environment.new_instance();
    let root = [("type", "disk"), ("path", "/"), ("pool", "no-such-pool")];
    let root = root.map(|(key, value)| (key.to_owned(), value.to_owned()));
    new.devices.insert("root".to_owned(), BTreeMap::from(root));
    nothing_is_left(&environment, &new).await;
}

pub(crate) async fn fails_on_an_unknown_profile(environment: Environment) {
    let profiles = vec!["default".to_owned(), "no-such-profile".to_owned()];
    let new = NewInstance { profiles, ..environment.new_instance() };
    nothing_is_left(&environment, &new).await;
}

pub(crate) async fn fails_on_user_data_that_is_no_yaml(environment: Environment) {
    let mut new = environment.new_instance();
    let user_data = "#cloud-config\na: [1\nb: }\n".to_owned();
    new.config.insert("cloud-init.user-data".to_owned(), user_data);
    nothing_is_left(&environment, &new).await;
}

pub(crate) async fn lists_by_our_keys(environment: Environment) {
    let guest = environment.created().await;
    let client = &guest.client;
    let filter = format!("config.user.larm-test eq {}", guest.name);
    let found = client.instances_matching(&filter).await.unwrap();
    assert_eq!(names(&found), [guest.name.as_str()]);
    let none = client.instances_matching("config.user.larm-test eq nobody").await.unwrap();
    assert!(none.is_empty());
    let all = client.instances().await.unwrap();
    let ours = all.iter().find(|instance| instance.name == guest.name).unwrap();
    assert_eq!(ours.config.get("user.larm-test"), Some(&guest.name));
    assert!(ours.state.is_none());
    let all = client.instances_with_state().await.unwrap();
    let ours = all.iter().find(|instance| instance.name == guest.name).unwrap();
    let state = ours.state.as_ref().unwrap();
    assert_eq!(state.status_code, StatusCode::STOPPED);
}

pub(crate) async fn copies_an_instance(environment: Environment) {
    let source = environment.created().await;
    let copy = environment.guard(&format!("{}-c", source.name));
    let order = CopyInstance {
        name: copy.name.clone(),
        source: source.name.clone(),
        ephemeral: true,
        profiles: vec!["default".to_owned()],
        config: BTreeMap::from([("user.larm-test".to_owned(), "copy".to_owned())]),
        ..CopyInstance::default()
    };
    let operation = environment.client.copy_instance(&order).await.unwrap();
    environment.client.wait(&operation, LIMIT).await.unwrap();
    let found = environment.client.instance(&copy.name).await.unwrap().unwrap();
    assert!(found.ephemeral);
    assert_eq!(found.config.get("user.larm-test").map(String::as_str), Some("copy"));
    assert!(found.awaits_first_start(), "{found:?}");
}

/// One profile for both kinds would be convenient. LXD checks a profile's keys against both kinds,
/// and an instance's expanded configuration against its own kind only where it is set directly.
pub(crate) async fn takes_a_profile_with_keys_for_virtual_machines(environment: Environment) {
    let client = &environment.client;
    let name = environment.stem.clone();
    let config = BTreeMap::from([("security.secureboot".to_owned(), "false".to_owned())]);
    let profile =
        NewProfile { name: name.clone(), config: config.clone(), ..NewProfile::default() };
    client.create_profile(&profile).await.unwrap();
    let profiles = vec!["default".to_owned(), name.clone()];
    let new = NewInstance { profiles, ..environment.new_instance() };
    let guest = environment.guard(&new.name);
    let operation = client.create_instance(&new).await.unwrap();
    let by_profile = client.wait(&operation, LIMIT).await;
    drop(guest);
    client.delete_profile(&name).await.unwrap();
    by_profile.unwrap();

    if environment.kind == Kind::Container {
        let new = NewInstance { config, ..environment.new_instance() };
        let error = fails(&environment, &new).await;
        assert!(error.to_string().contains("security.secureboot"), "{error}");
    }
}

/// The error of an order that is refused at once or fails in its operation.
async fn fails(environment: &Environment, new: &NewInstance) -> Error {
    let client = &environment.client;
    match client.create_instance(new).await {
        Ok(operation) => client.wait(&operation, LIMIT).await.unwrap_err(),
        Err(error) => error,
    }
}

async fn nothing_is_left(environment: &Environment, new: &NewInstance) {
    let guest: Guest = environment.guard(&new.name);
    let error = fails(environment, new).await;
    assert!(error.to_string().contains(&new.name), "{error}");
    assert_eq!(guest.client.instance(&new.name).await.unwrap(), None);
}

fn names(instances: &[larm::lxd::Instance]) -> Vec<&str> {
    instances.iter().map(|instance| instance.name.as_str()).collect()
}
