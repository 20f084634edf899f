//! When instances were created, started and deleted, as LXD's event stream tells it.

use std::collections::BTreeMap;

use larm::lxd::{Client, Event, EventHub, Events, LifecycleEvent};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::ground::PATIENCE;

/// When what happened to which instance.
type Seen = BTreeMap<(String, String), f64>;

/// Listens from its beginning until it is dropped.
pub(crate) struct Watch {
    seen: watch::Sender<Seen>,
    _end: DropGuard,
}

impl Watch {
    pub(crate) async fn begin(client: &Client) -> Self {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let seen = watch::Sender::new(Seen::new());
        let hub = EventHub::start(client, &tracker, stop.clone());
        tracker.spawn(listen(hub.subscribe(), seen.clone()));
        hub.connected().await;
        Self { seen, _end: stop.drop_guard() }
    }

    /// When it happened to an instance, in seconds since the epoch by LXD's clock. `what` is LXD's
    /// word, like `instance-created`.
    pub(crate) fn at(&self, instance: &str, what: &str) -> Option<f64> {
        self.seen.borrow().get(&key(instance, what)).copied()
    }

    /// Waits until it has happened to all of them. LXD is not asked.
    pub(crate) async fn until(&self, instances: &[String], what: &str) {
        let mut changes = self.seen.subscribe();
        let told =
            changes.wait_for(|seen| instances.iter().all(|one| seen.contains_key(&key(one, what))));
        let all = tokio::time::timeout(PATIENCE, told).await.map(drop);
        assert!(all.is_ok(), "LXD does not tell of {what} for all of {instances:?}");
    }

    /// Instances to which it has happened, by name, that begin so.
    pub(crate) fn named(&self, prefix: &str, what: &str) -> Vec<String> {
        let seen = self.seen.borrow();
        let mine = seen.keys().filter(|(name, one)| name.starts_with(prefix) && one == what);
        mine.map(|(name, _)| name.clone()).collect()
    }

    /// Forgets all instances whose names begin so: the same names come again.
    pub(crate) fn forget(&self, prefix: &str) {
        self.seen.send_modify(|seen| seen.retain(|(name, _), _| !name.starts_with(prefix)));
    }
}

fn key(instance: &str, what: &str) -> (String, String) {
    (instance.to_owned(), what.to_owned())
}

async fn listen(mut events: Events, seen: watch::Sender<Seen>) {
    while let Some(event) = events.next().await {
        match event {
            Event::Lifecycle(event) => note(&seen, event),
            Event::Missed { count } => eprintln!("{count} events of LXD were missed"),
            Event::Disconnected { reason } => eprintln!("LXD's events are broken off: {reason}"),
            Event::Connected | Event::Operation(_) => {}
        }
    }
}

fn note(seen: &watch::Sender<Seen>, event: LifecycleEvent) {
    let Some(instance) = event.instance else { return };
    let at = event.at.unwrap_or_else(larm::clock::now).as_duration().as_secs_f64();
    seen.send_modify(|seen| {
        seen.entry((instance, event.action)).or_insert(at);
    });
}
