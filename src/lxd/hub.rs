//! One event stream for everybody: a task keeps it connected and passes the news on.
//!
//! ```text
//!            connected                      broken, or cannot connect
//!  Down --------------------> Up(n) ----------------------------------> Down
//!   ^  0.1 s, 0.2 s, ... 5 s   |  Connected is told: look at everything   |
//!   +--------------------------+------------------------------------------+
//! ```
//!
//! Readers get a bounded queue each and are told when they were too slow. Who waits for one
//! operation is told directly, without such a queue: [`EventHub::listen`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::ends::{Ends, Key};
use super::events::{Event, OperationEvent};
use super::route::Route;

/// The first pause before a new connection.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a new connection.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So many events may wait for one reader.
const QUEUE: usize = 1024;
/// LXD adds a listener to its events a moment after it has let the listener in: an end in that moment
/// is not told.
pub(super) const AFTER_GAP: Duration = Duration::from_secs(1);

/// One event stream for everybody; cheap to clone.
#[derive(Debug, Clone)]
pub struct EventHub {
    shared: Arc<Shared>,
}

/// One reader's view of the stream.
#[derive(Debug)]
pub struct Events {
    queue: broadcast::Receiver<Event>,
    /// Told before anything else.
    first: Option<Event>,
    stop: CancellationToken,
}

/// How far the stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    /// No connection was tried yet.
    New,
    /// Not connected, for this reason.
    Down(String),
    /// Connected for the n-th time, since then.
    Up(u64, Instant),
}

/// A moment of a stream that is heard well. An operation that is ordered later cannot end unheard while
/// the stream lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    connection: u64,
    ends: usize,
}

#[derive(Debug)]
struct Shared {
    project: String,
    news: broadcast::Sender<Event>,
    link: watch::Sender<Link>,
    ends: Mutex<Ends>,
    last_key: AtomicU64,
    stop: CancellationToken,
}

/// One wait for the end of one operation.
#[derive(Debug)]
pub(super) struct Listener {
    shared: Arc<Shared>,
    key: Key,
    end: oneshot::Receiver<Box<OperationEvent>>,
    link: watch::Receiver<Link>,
    whole: bool,
}

/// What a [`Listener`] hears.
#[derive(Debug)]
pub(super) enum News {
    /// The operation has ended.
    Ended(Box<OperationEvent>),
    /// The stream was broken or connected again: its end may have been missed.
    Gap,
    /// Nothing for as long as the listener wanted to wait.
    Silence,
}

impl Link {
    fn is_up(&self) -> bool {
        matches!(self, Self::Up(..))
    }

    fn is_connection(&self, nth: u64) -> bool {
        matches!(self, Self::Up(connection, _) if *connection == nth)
    }
}

impl EventHub {
    /// Starts the task that keeps the stream of `client`'s project, until `stop` is cancelled.
    pub fn start(client: &Client, tracker: &TaskTracker, stop: CancellationToken) -> Self {
        let shared = Arc::new(Shared {
            project: client.project().to_owned(),
            news: broadcast::Sender::new(QUEUE),
            link: watch::Sender::new(Link::New),
            ends: Mutex::default(),
            last_key: AtomicU64::new(0),
            stop,
        });
        let hub = Self { shared };
        tracker.spawn(run(hub.clone(), client.clone()));
        hub
    }

    /// The project whose events are heard.
    pub fn project(&self) -> &str {
        &self.shared.project
    }

    /// A reader of everything from here on, told first whether the stream is connected.
    pub fn subscribe(&self) -> Events {
        let queue = self.shared.news.subscribe();
        let first = match &*self.shared.link.borrow() {
            Link::New => None,
            Link::Down(reason) => Some(Event::Disconnected { reason: reason.clone() }),
            Link::Up(..) => Some(Event::Connected),
        };
        Events { queue, first, stop: self.shared.stop.clone() }
    }

    /// Whether the stream is connected.
    pub fn is_connected(&self) -> bool {
        self.shared.link.borrow().is_up()
    }

    /// Waits until the stream is connected.
    pub async fn connected(&self) {
        // It cannot be closed while `self` holds the sender.
        drop(self.shared.link.subscribe().wait_for(Link::is_up).await);
    }

    /// Waits until the stream is connected anew: at once if it is not connected and then is, else
    /// after the next break.
    pub async fn reconnected(&self) {
        let mut link = self.shared.link.subscribe();
        let before = link.borrow_and_update().clone();
        // It cannot be closed while `self` holds the sender.
        drop(link.wait_for(|now| now.is_up() && *now != before).await);
    }

    /// This moment, if the stream is heard well: to be taken before an operation is ordered.
    pub(super) fn mark(&self) -> Option<Mark> {
        let ends = self.shared.ends().told();
        match &*self.shared.link.borrow() {
            Link::Up(connection, since) if since.elapsed() >= AFTER_GAP => {
                Some(Mark { connection: *connection, ends })
            }
            Link::Up(..) | Link::New | Link::Down(_) => None,
        }
    }

    /// Listens for the end of one operation, ordered after `mark`.
    pub(super) fn listen(&self, id: &str, mark: Option<Mark>) -> Listener {
        let (sender, end) = oneshot::channel();
        let key = (id.to_owned(), self.shared.last_key.fetch_add(1, Ordering::Relaxed));
        let mut ends = self.shared.ends();
        let is_told = ends.listen(key.clone(), sender);
        let mark = mark.filter(|mark| ends.remember_all_after(mark.ends));
        drop(ends);
        // After the insertion: an end that came before, and is not remembered, is found by a look.
        let link = self.shared.link.subscribe();
        let whole =
            is_told || mark.is_some_and(|mark| link.borrow().is_connection(mark.connection));
        Listener { shared: Arc::clone(&self.shared), key, end, link, whole }
    }
}

impl Events {
    /// The next piece of news; `None` when the hub was told to stop.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let received = tokio::select! {
            received = self.queue.recv() => received,
            () = self.stop.cancelled() => return None,
        };
        match received {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Missed { count }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Listener {
    /// Whether the stream is connected; from here on a change of it is a gap.
    pub(super) fn is_connected(&mut self) -> bool {
        self.link.borrow_and_update().is_up()
    }

    /// Whether its end is known, or cannot have come unheard; asked once, before anything is heard.
    pub(super) fn is_whole(&mut self) -> bool {
        std::mem::take(&mut self.whole)
    }

    /// Waits for news, for `patience` at most.
    pub(super) async fn news(&mut self, patience: Option<Duration>) -> News {
        let silence = async {
            match patience {
                Some(patience) => sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Ok(event) = &mut self.end => News::Ended(event),
            _ = self.link.changed() => News::Gap,
            () = silence => News::Silence,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.ends().leave(&self.key);
    }
}

impl Shared {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        // Insertions and removals leave it whole even if one of them had panicked.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes an event on: to who waits for this operation, then to all readers.
    fn publish(&self, event: Event) {
        if let Event::Operation(operation) = &event
            && operation.status_code.is_final()
        {
            self.ends().tell(operation);
        }
        // No reader at the moment is no error.
        drop(self.news.send(event));
    }
}

async fn run(hub: EventHub, client: Client) {
    let shared = &hub.shared;
    let mut pause = FIRST_PAUSE;
    for attempt in 1_u64.. {
        let begin = Instant::now();
        let reason = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            reason = session(shared, &client, attempt) => reason,
        };
        tracing::debug!(%reason, attempt, "the event stream is not connected");
        match shared.link.send_replace(Link::Down(reason.clone())) {
            // It is told once for each time that it was up.
            Link::Down(_) => {}
            Link::New | Link::Up(..) => shared.publish(Event::Disconnected { reason }),
        }
        // A stream that lived is worth a quick return; one that breaks at once is not.
        pause = if begin.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { pause };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, from its beginning to its end; returns why it ended.
async fn session(shared: &Shared, client: &Client, attempt: u64) -> String {
    let route = Route::new(&["events"]).query("type", "lifecycle,operation");
    let mut socket = match client.websocket("listen to events", route).await {
        Ok(socket) => socket,
        Err(error) => return error.to_string(),
    };
    shared.link.send_replace(Link::Up(attempt, Instant::now()));
    if let Some(observer) = client.observer() {
        observer.connected();
    }
    shared.publish(Event::Connected);
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => hear(shared, text.as_bytes()),
            Some(Ok(Message::Binary(bytes))) => hear(shared, &bytes),
            Some(Ok(Message::Close(_))) | None => return "LXD closed the event stream".to_owned(),
            // Pings are answered by the websocket itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return error.to_string(),
        }
    }
}

fn hear(shared: &Shared, text: &[u8]) {
    match Event::parse(text) {
        Ok(Some(event)) => shared.publish(event),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "LXD sent an event that cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::{AFTER_GAP, Event, EventHub, Link, News, QUEUE};
    use crate::lxd::ends::REMEMBERED;
    use crate::lxd::events::OperationEvent;
    use crate::lxd::{Client, ClientOptions, StatusCode};

    /// A hub whose stream never connects; the test publishes.
    fn hub() -> EventHub {
        let client = Client::new(ClientOptions::new("/nowhere/unix.socket"));
        let stop = CancellationToken::new();
        stop.cancel();
        let hub = EventHub::start(&client, &TaskTracker::new(), stop);
        hub.shared.link.send_replace(Link::Up(1, Instant::now()));
        hub
    }

    fn operation(id: &str, status_code: StatusCode) -> Event {
        Event::Operation(OperationEvent {
            id: id.to_owned(),
            class: String::new(),
            description: String::new(),
            status_code,
            err: String::new(),
            metadata: serde_json::Value::Null,
            resources: std::collections::BTreeMap::default(),
            project: "default".to_owned(),
        })
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed() {
        let hub = hub();
        let mut queue = hub.shared.news.subscribe();
        for _ in 0..QUEUE + 10 {
            hub.shared.publish(operation("u", StatusCode::RUNNING));
        }
        assert!(queue.recv().await.is_err(), "it lags");
        let stop = CancellationToken::new();
        let mut events = super::Events { queue, first: None, stop };
        for _ in 0..QUEUE + 10 {
            hub.shared.publish(operation("u", StatusCode::RUNNING));
        }
        assert!(matches!(events.next().await, Some(Event::Missed { count }) if count > 0));
        assert!(matches!(events.next().await, Some(Event::Operation(_))));
    }

    #[tokio::test]
    async fn the_first_final_status_counts_for_every_waiter() {
        let hub = hub();
        let (mut one, mut two, mut other) =
            (hub.listen("u", None), hub.listen("u", None), hub.listen("v", None));
        for status in [StatusCode::RUNNING, StatusCode::SUCCESS, StatusCode::RUNNING] {
            hub.shared.publish(operation("u", status));
        }
        for listener in [&mut one, &mut two] {
            let news = listener.news(None).await;
            assert!(matches!(news, News::Ended(event) if event.status_code == StatusCode::SUCCESS));
        }
        let silence = other.news(Some(Duration::from_millis(1))).await;
        assert!(matches!(silence, News::Silence));
        drop((one, two, other));
        assert!(hub.shared.ends().are_awaited_by_nobody(), "nobody is left behind");
    }

    #[tokio::test]
    async fn a_new_connection_is_a_gap() {
        let hub = hub();
        let mut listener = hub.listen("u", None);
        assert!(listener.is_connected());
        hub.shared.link.send_replace(Link::Down(String::new()));
        assert!(matches!(listener.news(None).await, News::Gap));
        assert!(!listener.is_connected());
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_comes_before_its_listener_is_told() {
        let hub = hub();
        assert_eq!(hub.mark(), None, "LXD may not have added the listener yet");
        tokio::time::advance(AFTER_GAP).await;
        let mark = hub.mark();
        hub.shared.publish(operation("u", StatusCode::SUCCESS));
        let mut listener = hub.listen("u", mark);
        assert!(listener.is_whole());
        assert!(matches!(listener.news(None).await, News::Ended(event) if event.id == "u"));
        assert!(hub.shared.ends().are_awaited_by_nobody());
        // LXD may have forgotten the operation: a look would find nothing.
        assert!(hub.listen("u", None).is_whole());
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_ended_unheard_is_to_be_looked_at() {
        let hub = hub();
        tokio::time::advance(AFTER_GAP).await;
        let mark = hub.mark();
        assert!(hub.listen("v", mark).is_whole());
        assert!(!hub.listen("v", None).is_whole());
        for _ in 0..REMEMBERED {
            hub.shared.publish(operation("u", StatusCode::SUCCESS));
        }
        assert!(hub.listen("v", mark).is_whole(), "all since the mark are remembered");
        hub.shared.publish(operation("u", StatusCode::SUCCESS));
        assert!(!hub.listen("v", mark).is_whole(), "one is forgotten");
        let mark = hub.mark();
        hub.shared.link.send_replace(Link::Up(2, Instant::now()));
        assert!(!hub.listen("v", mark).is_whole(), "the stream was broken since");
    }
}
