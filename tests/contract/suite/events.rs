//! The event stream.

use std::time::Duration;

use larm::lxd::{Client, ClientOptions, Event, EventHub, NewInstance, StateChange};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Environment, LIMIT};

pub(crate) async fn come_for_every_step_of_a_life(environment: Environment) {
    let mut events = environment.hub.subscribe();
    let new = NewInstance { ephemeral: false, ..environment.new_instance() };
    let guest = environment.create(&new).await;
    guest.change(StateChange::Start).await.unwrap();
    guest.change(StateChange::PULL_THE_PLUG).await.unwrap();
    guest.delete().await.unwrap();
    let mut actions = Vec::new();
    let mut operations = 0;
    let all = async {
        while actions.last().is_none_or(|last| last != "instance-deleted") {
            match events.next().await.expect("the hub lives") {
                Event::Lifecycle(event) if event.instance.as_ref() == Some(&guest.name) => {
                    assert_eq!(event.project, guest.client.project());
                    assert!(event.at.is_some());
                    actions.push(event.action);
                }
                Event::Operation(event) if event.status_code.is_final() => operations += 1,
                Event::Connected | Event::Lifecycle(_) | Event::Operation(_) => {}
                other @ (Event::Disconnected { .. } | Event::Missed { .. }) => panic!("{other:?}"),
            }
        }
    };
    timeout(LIMIT, all).await.expect("the events come");
    for action in ["instance-created", "instance-started", "instance-stopped", "instance-deleted"] {
        assert!(actions.iter().any(|seen| seen == action), "{action} in {actions:?}");
    }
    assert!(operations >= 3, "create, start and stop have ended: {operations}");
}

pub(crate) async fn say_connected_first_and_stop_when_told(environment: Environment) {
    let stop = CancellationToken::new();
    let hub = EventHub::start(&environment.plain, &environment.tracker, stop.clone());
    let mut early = hub.subscribe();
    assert_eq!(timeout(LIMIT, early.next()).await.unwrap(), Some(Event::Connected));
    let mut late = hub.subscribe();
    assert_eq!(timeout(LIMIT, late.next()).await.unwrap(), Some(Event::Connected));
    stop.cancel();
    let ended = async { while late.next().await.is_some() {} };
    timeout(LIMIT, ended).await.expect("a stopped hub ends its readers");
}

pub(crate) async fn say_when_the_stream_is_down(environment: Environment) {
    let client = Client::new(ClientOptions::new("/nowhere/unix.socket"));
    let stop = CancellationToken::new();
    let hub = EventHub::start(&client, &environment.tracker, stop.clone());
    let mut events = hub.subscribe();
    let first = timeout(LIMIT, events.next()).await.unwrap();
    assert!(matches!(first, Some(Event::Disconnected { .. })), "{first:?}");
    assert!(!hub.is_connected());
    let more = timeout(Duration::from_secs(1), events.next()).await;
    assert!(more.is_err(), "one that stays down is told once: {more:?}");
    stop.cancel();
    assert_eq!(events.next().await, None);
}
