//! LXD's event stream turned into inputs for the dispatcher.
//!
//! Events are hints: but for a deletion, which is final, they only say that LXD should be asked.

use tokio::sync::mpsc;

use super::command::Input;
use crate::lxd::{Event as LxdEvent, EventHub};
use crate::model::{Action, CloudRunnerState, Event, InstanceName, NamePrefix};

/// Follows the event stream until the hub ends.
pub(super) async fn follow(hub: EventHub, prefix: NamePrefix, inputs: mpsc::Sender<Input>) {
    let mut events = hub.subscribe();
    while let Some(event) = events.next().await {
        let Some(input) = input(&event, &prefix) else { continue };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}

fn input(event: &LxdEvent, prefix: &NamePrefix) -> Option<Input> {
    match event {
        // What happened before may have been missed.
        LxdEvent::Connected | LxdEvent::Missed { .. } => Some(Input::Compare),
        LxdEvent::Lifecycle(lifecycle) => {
            let name: InstanceName = lifecycle.instance.as_deref()?.parse().ok()?;
            (name.prefix() == prefix).then(|| lifecycle_input(&lifecycle.action, &name))?
        }
        LxdEvent::Disconnected { .. } | LxdEvent::Operation(_) => None,
    }
}

fn lifecycle_input(action: &str, name: &InstanceName) -> Option<Input> {
    let id = name.id().clone();
    match action {
        "instance-deleted" => Some(Input::News(id, Event::Seen(CloudRunnerState::Deleted))),
        "instance-shutdown" | "instance-stopped" | "instance-restarted" | "instance-paused"
        | "instance-resumed" => Some(Input::Ask(id, Action::Inspect)),
        "instance-created" => Some(Input::Made(id)),
        _ => None,
    }
}
