//! What Prometheus reads: counts and durations of everything that larm does, as text.
//!
//! ```text
//! journal -> tail -> journal (each entry once) --+
//! lxd, github -> observers ----------------------+-> instruments --+
//! http (flushes, webhooks) ----------------------+                 +-> Scrape -> text
//! views, accounts, store's file, /proc/self -> snapshot (per look) +
//! ```
//!
//! What goes up is counted when it happens and begins at zero with the process; what goes up and
//! down is looked up when somebody asks, so that nothing is kept twice and nothing becomes stale.
//! docs/metrics.md lists all names. Labels whose values come from guests or from GitHub have only so
//! many values ([`LABEL_VALUES`]); what comes beyond is `other`.

mod capped;
mod instruments;
mod journal;
mod observers;
mod process;
mod snapshot;
mod tail;
mod text;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock;
use crate::farm::Farm;
use crate::manager::{AccountsReceiver, LxdRunnerManager, View};
use crate::model::Phase;
use instruments::Instruments;

pub use capped::LABEL_VALUES;
pub use tail::follow;

/// How long a look waits for what has just happened to be counted. It takes milliseconds.
const CATCH_UP: Duration = Duration::from_secs(1);

/// What is measured cannot be set up: two instruments have one name, or a name is none.
#[derive(Debug, thiserror::Error)]
#[error("the metrics could not be set up: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// Counts what happens; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    instruments: Arc<Instruments>,
    /// The manager's name, which dashboards call the flavor.
    flavor: Arc<str>,
    started_at: Timestamp,
    /// The `seq` of the newest journal entry that is counted.
    counted: watch::Sender<u64>,
}

impl Metrics {
    /// Counts from zero; `flavor` is the manager's name.
    ///
    /// # Errors
    /// Only if the program itself is wrong.
    pub fn new(flavor: &str) -> Result<Self, MetricsError> {
        let instruments = Arc::new(Instruments::new(flavor)?);
        Ok(Self {
            instruments,
            flavor: flavor.into(),
            started_at: clock::now(),
            counted: watch::Sender::new(0),
        })
    }

    /// Failures in these pools are counted from zero: what is not there cannot be seen to rise.
    fn begin_pools<'a>(&self, pools: impl IntoIterator<Item = &'a str>) {
        self.instruments.begin_pools(pools);
    }

    /// A flush was asked for: of the idle runners, with `busy` of those with a job too.
    pub fn flush_requested(&self, view: &View, busy: bool) {
        let count = |phase| view.runners.values().filter(|one| one.phase == phase).count();
        let add = |counter: &prometheus::IntCounter, count: usize| {
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        };
        add(&self.instruments.flushed_idle, count(Phase::Listening));
        if busy {
            add(&self.instruments.flushed_busy, count(Phase::Busy));
        }
    }

    /// A golden image was seen: when it was built, and when its runner application ends.
    pub fn golden_image(&self, alias: &str, built: Option<Timestamp>, ends: Option<Timestamp>) {
        let Instruments { image_built, image_ends, .. } = &*self.instruments;
        for (gauge, at) in [(image_built, built), (image_ends, ends)] {
            match at {
                Some(at) => gauge.with_label_values(&[alias]).set(at.as_duration().as_secs_f64()),
                // It need not be there.
                None => drop(gauge.remove_label_values(&[alias])),
            }
        }
    }

    /// A webhook came in; `outcome` is from a fixed set of words.
    pub fn webhook(&self, outcome: &'static str) {
        self.instruments.webhooks.with_label_values(&[outcome]).inc();
    }
}

/// All that a look at the metrics needs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// What was counted.
    pub metrics: Metrics,
    /// Whose runners are looked at.
    pub manager: LxdRunnerManager,
    /// Whose jobs and pools are looked at.
    pub farm: Farm,
    /// Whose budgets are looked at.
    pub accounts: AccountsReceiver,
}

impl Scrape {
    /// Waits until all that has happened by now is counted; not for long where the disk is slow.
    pub async fn catch_up(&self) {
        let head = self.manager.view().journal_head;
        let mut counted = self.metrics.counted.subscribe();
        if timeout(CATCH_UP, counted.wait_for(|seq| *seq >= head)).await.is_err() {
            tracing::debug!(head, "not all of the journal is counted yet");
        }
    }

    /// Everything as of now, in Prometheus' text format. Looks at files: not for the runtime's
    /// threads.
    ///
    /// # Errors
    /// Only if the program itself is wrong.
    pub fn text(&self) -> Result<String, MetricsError> {
        let settings = &self.farm.view().settings;
        self.metrics.begin_pools(settings.pools.iter().map(|pool| pool.name.as_str()));
        let Instruments { registry, known, .. } = &*self.metrics.instruments;
        let snapshot = snapshot::take(self, clock::now())?;
        let known = [known.as_slice(), &snapshot.known].concat();
        Ok(text::write(&known, &[registry.gather(), snapshot.families].concat())?)
    }
}
