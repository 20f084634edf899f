//! Starting, stopping, freezing, deleting.

use std::time::Duration;

use larm::lxd::{ErrorKind, Event, Events, NewInstance, StateChange, StatusCode};
use tokio::time::timeout;

use super::{Environment, Kind, LIMIT};

pub(crate) async fn start_stop_and_delete(environment: Environment) {
    let guest = environment.created().await;
    let client = &guest.client;
    guest.change(StateChange::Start).await.unwrap();
    let instance = client.instance(&guest.name).await.unwrap().unwrap();
    assert!(instance.status_code.is_running(), "{}", instance.status);
    guest.answers().await;
    let state = client.instance_state(&guest.name).await.unwrap().unwrap();
    assert!(state.processes > 0 && state.pid > 0, "{state:?}");
    assert!(!state.network.is_empty());
    guest.change(StateChange::PULL_THE_PLUG).await.unwrap();
    let state = client.instance_state(&guest.name).await.unwrap().unwrap();
    assert_eq!(state.status_code, StatusCode::STOPPED);
    assert!(!state.agent_answers());
    guest.delete().await.unwrap();
    assert_eq!(client.instance(&guest.name).await.unwrap(), None);
    let error = guest.delete().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

pub(crate) async fn start_twice_and_stop_twice(environment: Environment) {
    let guest = environment.created().await;
    let stopped = guest.change(StateChange::PULL_THE_PLUG).await.unwrap_err();
    assert!(matches!(stopped.kind(), ErrorKind::AlreadyStopped { .. }), "{stopped}");
    guest.change(StateChange::Start).await.unwrap();
    let running = guest.change(StateChange::Start).await.unwrap_err();
    assert!(matches!(running.kind(), ErrorKind::AlreadyRunning { .. }), "{running}");
    assert!(running.to_string().contains(&guest.name), "{running}");
}

pub(crate) async fn refuses_to_delete_what_runs(environment: Environment) {
    let guest = environment.created().await;
    guest.change(StateChange::Start).await.unwrap();
    let error = guest.delete().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StillRunning { .. }), "{error}");
}

/// What is frozen already, or runs already, is told by a kind of its own.
pub(crate) async fn freezes_twice_and_thaws_twice(environment: Environment) {
    let guest = environment.started().await;
    guest.change(StateChange::Freeze).await.unwrap();
    let frozen = guest.change(StateChange::Freeze).await.unwrap_err();
    assert!(matches!(frozen.kind(), ErrorKind::Frozen { .. }), "{frozen}");
    guest.change(StateChange::Unfreeze).await.unwrap();
    let running = guest.change(StateChange::Unfreeze).await.unwrap_err();
    assert!(matches!(running.kind(), ErrorKind::AlreadyRunning { .. }), "{running}");
}

/// A frozen guest is refused by delete, and a forced stop ends it as it is.
pub(crate) async fn stops_and_deletes_what_is_frozen(environment: Environment) {
    let guest = environment.started().await;
    guest.change(StateChange::Freeze).await.unwrap();
    let instance = guest.client.instance(&guest.name).await.unwrap().unwrap();
    assert_eq!(instance.status_code, StatusCode::FROZEN);
    let error = guest.delete().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::StillRunning { .. }), "{error}");
    guest.change(StateChange::PULL_THE_PLUG).await.unwrap();
    guest.delete().await.unwrap();
    assert_eq!(guest.client.instance(&guest.name).await.unwrap(), None);
}

/// `instance-deleted` and `instance-stopped` come in either order.
pub(crate) async fn deletes_an_ephemeral_one_when_it_stops(environment: Environment) {
    let new = NewInstance { ephemeral: true, ..environment.new_instance() };
    let guest = environment.create(&new).await;
    guest.change(StateChange::Start).await.unwrap();
    let mut events = environment.hub.subscribe();
    guest.change(StateChange::PULL_THE_PLUG).await.unwrap();
    let seen = actions_until(&mut events, &guest.name, &["instance-stopped", "instance-deleted"]);
    let seen = seen.await;
    // LXD deletes by itself, and only the stop has a requestor.
    assert!(seen.contains(&("instance-stopped".to_owned(), true)), "we asked for it: {seen:?}");
    assert_eq!(guest.client.instance(&guest.name).await.unwrap(), None);
}

pub(crate) async fn tells_a_shutdown_from_inside(environment: Environment) {
    let guest = environment.started().await;
    let mut events = environment.hub.subscribe();
    // Nobody waits for the answer: the guest dies under it.
    let command = larm::lxd::Exec::new(["poweroff", "-ff"]);
    drop(guest.client.exec_recorded(&guest.name, &command).await.unwrap());
    let seen = actions_until(&mut events, &guest.name, &["instance-shutdown"]).await;
    let shutdown = seen.iter().find(|(action, _)| action == "instance-shutdown").unwrap();
    assert!(!shutdown.1, "nobody asked for it");
    let instance = guest.client.instance(&guest.name).await.unwrap().unwrap();
    assert_eq!(instance.status_code, StatusCode::STOPPED);
    if environment.kind == Kind::Container {
        let error = guest.run(["true"]).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotRunning { .. }), "{error}");
    }
}

pub(crate) async fn answers_none_for_what_is_not_there(environment: Environment) {
    let client = &environment.client;
    let name = environment.stem.as_str();
    assert_eq!(client.instance(name).await.unwrap(), None);
    assert_eq!(client.instance_state(name).await.unwrap(), None);
    for error in [
        client.change_state(name, StateChange::Start).await.unwrap_err(),
        client.delete_instance(name).await.unwrap_err(),
    ] {
        assert!(error.is_not_found() && !error.is_transient(), "{error}");
    }
}

/// Reads lifecycle events of an instance until all of `wanted` have come; returns all seen.
async fn actions_until(events: &mut Events, name: &str, wanted: &[&str]) -> Vec<(String, bool)> {
    let mut seen: Vec<(String, bool)> = Vec::new();
    let all = async {
        while !wanted.iter().all(|action| seen.iter().any(|(other, _)| other == action)) {
            if let Event::Lifecycle(event) = events.next().await.expect("the hub lives")
                && event.instance.as_deref() == Some(name)
            {
                seen.push((event.action, event.requested));
            }
        }
    };
    timeout(LIMIT.max(Duration::from_secs(1)), all).await.expect("the events come");
    seen
}
