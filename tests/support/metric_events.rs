//! The metric events of a daemon: as its journal has them, and as its events file has them.

use std::path::Path;
use std::time::Duration;

use larm::model::{JournalEntry, JournalKind, MetricEvent, MetricFact};

/// How long the file may take to be up to the journal.
const PATIENCE: Duration = Duration::from_secs(20);

/// The metric events of a journal, in order.
pub fn of_journal(journal: &[JournalEntry]) -> Vec<MetricEvent> {
    let metric = |entry: &JournalEntry| match &entry.what {
        JournalKind::Metric { metric } => Some(metric.clone()),
        JournalKind::Phase { .. }
        | JournalKind::Metrics { .. }
        | JournalKind::Mismatch { .. }
        | JournalKind::Note { .. } => None,
    };
    journal.iter().filter_map(metric).collect()
}

/// The lines of the events file of a daemon with this state directory; each is one event.
pub fn of_file(state: &Path) -> Vec<MetricEvent> {
    let text = std::fs::read_to_string(state.join("events.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until the file has what the journal has, no more and no less.
pub async fn file_has(state: &Path, journal: impl AsyncFn() -> Vec<JournalEntry>) {
    let (mut wanted, mut found) = (Vec::new(), Vec::new());
    let reads = async {
        loop {
            // Sweeps go on meanwhile: what the journal has before the file is read is in the file,
            // and what the file has is in the journal afterwards.
            let before = of_journal(&journal().await);
            found = of_file(state);
            wanted = of_journal(&journal().await);
            if found == wanted || (found == before && wanted.starts_with(&found)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let same = tokio::time::timeout(PATIENCE, reads).await;
    assert!(same.is_ok(), "the file has {found:#?}\nthe journal has {wanted:#?}");
}

/// The word for an event.
pub fn kind(event: &MetricEvent) -> &'static str {
    match event.what {
        MetricFact::RunnerInstalled { .. } => "runner_installed",
        MetricFact::RunnerStart { .. } => "runner_start",
        MetricFact::RunnerStop { .. } => "runner_stop",
        MetricFact::Reconciliation { .. } => "reconciliation",
    }
}

/// No time or length that no test can take.
pub fn is_plausible(event: &MetricEvent) -> bool {
    let lengths = match &event.what {
        MetricFact::RunnerInstalled { duration, .. }
        | MetricFact::Reconciliation { duration, .. } => vec![*duration],
        MetricFact::RunnerStart { idle, queue_duration, .. } => {
            [Some(*idle), *queue_duration].into_iter().flatten().collect()
        }
        MetricFact::RunnerStop { job_duration, .. } => vec![*job_duration],
    };
    let now = larm::clock::now().as_duration().as_secs_f64();
    (now - 3600.0..=now + 5.0).contains(&event.timestamp)
        && lengths.iter().all(|length| (0.0..1800.0).contains(length))
}
