//! Keeps the rules of one larm as they are to be, while the daemon runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Applied, Resolver, Wanted, apply};
use crate::lxd::Client;

/// How often names and the host's addresses are looked up again.
const EVERY: Duration = Duration::from_hours(1);
/// How soon that is after a change: another larm may have overtaken it, and what has changed once
/// may be changing still.
const AGAIN: Duration = Duration::from_mins(1);
/// The pauses between tries, of which the last one is repeated.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(10),
];
/// How long the start of the farm waits for the first try.
const FIRST: Duration = Duration::from_secs(10);

/// Keeps the rules of one larm.
pub(in crate::daemon) struct Keeper {
    client: Client,
    wanted: watch::Receiver<Arc<Wanted>>,
    resolver: Resolver,
    last: Look,
    pace: Pace,
    /// What the log has told of.
    told: Applied,
}

/// How a look went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Failed,
    Changed,
    Same,
}

impl Keeper {
    pub(in crate::daemon) fn new(client: Client, wanted: watch::Receiver<Arc<Wanted>>) -> Self {
        Self {
            client,
            wanted,
            resolver: Resolver::default(),
            last: Look::Failed,
            pace: Pace::default(),
            told: Applied::default(),
        }
    }

    /// Tries it once before there are guests, but not for long: LXD need not be there.
    pub(in crate::daemon) async fn prepare(&mut self) {
        self.last = timeout(FIRST, self.look()).await.unwrap_or(Look::Failed);
    }

    /// Never ends.
    pub(in crate::daemon) async fn keep(mut self) {
        loop {
            let pause = self.pace.pause(self.last);
            tokio::select! {
                () = sleep(pause) => {}
                changed = self.wanted.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
            self.last = self.look().await;
        }
    }

    /// Makes it so.
    async fn look(&mut self) -> Look {
        let wanted = Arc::clone(&self.wanted.borrow_and_update());
        if !wanted.enforce {
            return Look::Same;
        }
        match apply(&self.client, &wanted, &mut self.resolver).await {
            Ok(applied) => {
                let changed = applied.changed;
                self.tell(applied, !wanted.deny.is_empty());
                match (self.resolver.knows_all(), changed) {
                    (false, _) => Look::Failed,
                    (true, true) => Look::Changed,
                    (true, false) => Look::Same,
                }
            }
            Err(error) => {
                tracing::warn!(
                    hint = error.hint(),
                    "guests may reach too much or too little: {error}"
                );
                Look::Failed
            }
        }
    }

    /// Tells the log what is new to it.
    fn tell(&mut self, applied: Applied, denies: bool) {
        let Applied { isolated, open, .. } = &applied;
        if *isolated != self.told.isolated && !isolated.is_empty() {
            tracing::info!(bridges = ?isolated, "guests on these bridges are isolated");
        }
        if *open != self.told.open && !open.is_empty() {
            let hint = "`larm doctor` tells how to isolate them";
            if denies {
                tracing::error!(networks = ?open, hint, "guests there are NOT isolated, and `deny` does nothing");
            } else {
                tracing::warn!(networks = ?open, hint, "guests there are not isolated");
            }
        }
        self.told = applied;
    }
}

/// When it is looked again.
#[derive(Debug, Default)]
struct Pace {
    failures: usize,
    /// The last look was one soon after a change.
    again: bool,
}

impl Pace {
    fn pause(&mut self, last: Look) -> Duration {
        if last == Look::Failed {
            let pause = PAUSES.get(self.failures).or(PAUSES.last()).copied().unwrap_or(AGAIN);
            self.failures = self.failures.saturating_add(1);
            return pause;
        }
        self.failures = 0;
        // Only once: a name may stand for other addresses each time.
        self.again = last == Look::Changed && !self.again;
        if self.again { AGAIN } else { EVERY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_looked_at_again_soon_and_a_failure_sooner() {
        let mut pace = Pace::default();
        let looks = [Look::Changed, Look::Same, Look::Changed, Look::Changed, Look::Same];
        let pauses = looks.map(|look| pace.pause(look));
        assert_eq!(pauses, [AGAIN, EVERY, AGAIN, EVERY, EVERY]);
        let pauses = [Look::Failed; 6].map(|look| pace.pause(look));
        assert_eq!(pauses.get(..4).unwrap(), PAUSES);
        assert_eq!(pauses.get(4..).unwrap(), [PAUSES[3]; 2]);
        assert_eq!(pace.pause(Look::Same), EVERY);
        assert_eq!(pace.pause(Look::Failed), PAUSES[0]);
    }
}
