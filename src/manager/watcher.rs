//! One watch per live runner: an exec that blocks in the guest until its phase moves on, and
//! whose end is the bell.
//!
//! The guest decides when a watch ends, and the guest is hostile: [`Pace`] keeps one that rings
//! all the time from costing more than a few calls a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::command::Input;
use super::executor::exec;
use crate::guest::{command, report};
use crate::lxd::{Client, Error, ErrorKind};
use crate::model::{
    Action, Application, Event, GuestReport, Handover, InstanceType, Record, RunnerId,
};

/// How often it is looked whether a virtual machine's agent is up: nothing announces it.
const AGENT_PAUSE: Duration = Duration::from_secs(1);
/// A watch that has not ended by then is armed anew.
const WATCH_LIMIT: Duration = Duration::from_hours(24);

/// The watches of all live runners.
#[derive(Debug)]
pub(super) struct Watches {
    client: Client,
    inputs: mpsc::Sender<Input>,
    tracker: TaskTracker,
    stop: CancellationToken,
    armed: BTreeMap<RunnerId, Armed>,
}

impl Watches {
    pub(super) fn new(
        client: Client,
        inputs: mpsc::Sender<Input>,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { client, inputs, tracker, stop, armed: BTreeMap::new() }
    }

    /// Sees to it that a runner is watched, or is not.
    pub(super) fn set(&mut self, record: &Arc<Record>, wanted: bool) {
        let id = record.id();
        if !wanted {
            if let Some(watch) = self.armed.remove(id) {
                watch.token.cancel();
            }
        } else if let Some(watch) = self.armed.get(id) {
            watch.known.send_if_modified(|known| {
                let now = Known { seq: record.guest_seq.max(known.seq), ..Known::of(record) };
                let news = *known != now;
                *known = now;
                news
            });
        } else {
            self.arm(record);
        }
    }

    fn arm(&mut self, record: &Arc<Record>) {
        let token = self.stop.child_token();
        let (sender, known) = watch::channel(Known::of(record));
        self.armed.insert(record.id().clone(), Armed { token: token.clone(), known: sender });
        let (client, inputs) = (self.client.clone(), self.inputs.clone());
        let watcher = Watcher { client, inputs, record: Arc::clone(record), known };
        self.tracker.spawn(token.run_until_cancelled_owned(watcher.run()));
    }
}

/// One watch as the dispatcher sees it.
#[derive(Debug)]
struct Armed {
    token: CancellationToken,
    known: watch::Sender<Known>,
}

/// What a watch has to know of its runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// The guest's `seq` as the record has it.
    seq: u64,
    /// LXD refuses an exec in a frozen guest. One that is under way is frozen with it, and goes on
    /// when it is thawed.
    frozen: bool,
}

impl Known {
    fn of(record: &Record) -> Self {
        Self { seq: record.guest_seq, frozen: record.frost.is_cold() }
    }
}

struct Watcher {
    client: Client,
    inputs: mpsc::Sender<Input>,
    record: Arc<Record>,
    known: watch::Receiver<Known>,
}

impl Watcher {
    async fn run(self) {
        let mut pace = Pace::new(Instant::now());
        let mut seq = self.record.guest_seq;
        let mut agent_is_up = self.record.spec.instance_type == InstanceType::Container;
        loop {
            let mut known = self.known.clone();
            if known.wait_for(|known| !known.frozen).await.is_err() {
                return;
            }
            if !agent_is_up {
                self.wait_for_agent().await;
            }
            let watched = tokio::select! {
                biased;
                watched = self.watch(seq) => watched,
                // It should have rung for this: it is lost, or its end is.
                Ok(heard) = known.wait_for(|known| known.seq > seq) => {
                    seq = heard.seq;
                    continue;
                }
            };
            agent_is_up = watched.is_ok() || self.is_container();
            let news = match watched {
                Ok(Some(report)) if report.seq > seq => {
                    seq = report.seq;
                    let last = report.phase.is_final();
                    let event = Event::Reported(Box::new(report));
                    self.send(Input::News(self.record.id().clone(), event)).await;
                    if last {
                        return;
                    }
                    true
                }
                Ok(_) => false,
                Err(error) => {
                    self.look_after(&error).await;
                    false
                }
            };
            if self.rest(pace.pause(news, Instant::now())).await {
                pace = Pace::new(Instant::now());
            }
        }
    }

    /// Rests, but not past the return of an LXD that was away: it has ended the watch, and the
    /// guest may have moved on since. Tells whether it has returned. A frozen guest's thaw is waited for
    /// anyway, and is not to be missed.
    async fn rest(&self, pause: Duration) -> bool {
        if self.known.borrow().frozen {
            return false;
        }
        let Some(hub) = self.client.events() else {
            tokio::time::sleep(pause).await;
            return false;
        };
        tokio::time::timeout(pause, hub.reconnected()).await.is_ok()
    }

    fn is_container(&self) -> bool {
        self.record.spec.instance_type == InstanceType::Container
    }

    /// Blocks until the guest's phase has moved past `seq`.
    async fn watch(&self, seq: u64) -> Result<Option<GuestReport>, Error> {
        let name = self.record.name.to_string();
        let exec = exec(command::watch(seq.max(self.first_of_use())));
        // A watch lasts as long as the guest likes, and ends with each instance: neither tells how LXD
        // does.
        let client = self.client.unobserved();
        let output = client.run(&name, &exec, command::OUTPUT_CAP, WATCH_LIMIT).await?;
        Ok(report::parse(&output.stdout)
            .inspect_err(|error| tracing::debug!(runner = %name, %error, "no report"))
            .ok())
    }

    /// The guest's first status says that it prepares itself. That is news only of a guest of which
    /// nothing is known; any other would take the time for another exec in the middle of its boot.
    fn first_of_use(&self) -> u64 {
        let Record { application, handover, .. } = *self.record;
        u64::from(application != Application::Unknown && handover != Handover::Unknown)
    }

    async fn wait_for_agent(&self) {
        let name = self.record.name.to_string();
        loop {
            match self.client.instance_state(&name).await {
                Ok(Some(state)) if state.agent_answers() => return,
                Ok(_) => {}
                Err(error) => self.look_after(&error).await,
            }
            tokio::time::sleep(AGENT_PAUSE).await;
        }
    }

    /// An instance that cannot be watched may be stopped or gone.
    async fn look_after(&self, error: &Error) {
        tracing::debug!(runner = %self.record.name, %error, "the watch ended");
        if matches!(error.kind(), ErrorKind::NotFound { .. } | ErrorKind::NotRunning { .. }) {
            self.send(Input::Ask(self.record.id().clone(), Action::Inspect)).await;
        }
    }

    async fn send(&self, input: Input) {
        if self.inputs.send(input).await.is_err() {
            tracing::debug!("the dispatcher has stopped");
        }
    }
}

/// How soon a watch is armed again: at once while there is news, up to a burst; more slowly each
/// time that there is none.
struct Pace {
    /// When the next arming would be on time at the sustained rate.
    next: Instant,
    idle: Duration,
}

impl Pace {
    const SUSTAINED: Duration = Duration::from_millis(500);
    const BURST: u32 = 8;
    const FIRST_IDLE: Duration = Duration::from_millis(100);
    const LONGEST_IDLE: Duration = Duration::from_secs(30);

    fn new(now: Instant) -> Self {
        Self { next: now, idle: Self::FIRST_IDLE }
    }

    fn pause(&mut self, news: bool, now: Instant) -> Duration {
        if !news {
            let pause = self.idle;
            self.idle = self.idle.saturating_mul(2).min(Self::LONGEST_IDLE);
            return pause;
        }
        self.idle = Self::FIRST_IDLE;
        self.next = self.next.max(now) + Self::SUSTAINED;
        self.next.saturating_duration_since(now + Self::SUSTAINED * Self::BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_rings_all_the_time_is_heard_twice_a_second() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        let begin = now;
        for ring in 0..100 {
            let pause = pace.pause(true, now);
            assert!(ring >= 8 || pause.is_zero(), "the first rings are heard at once");
            now += pause + Duration::from_millis(1);
        }
        assert!(now - begin > Duration::from_secs(40));
    }

    #[test]
    fn a_guest_without_news_is_heard_ever_more_seldom() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let pauses: Vec<_> = (0..20).map(|_| pace.pause(false, now)).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&Pace::LONGEST_IDLE));
        assert!(pace.pause(true, now).is_zero(), "news is heard at once again");
        assert_eq!(pace.pause(false, now), Pace::FIRST_IDLE);
    }
}
