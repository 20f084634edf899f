//! Follows the journal and counts each of its entries once. Waits for changes; never polls.

use std::sync::Arc;

use super::Metrics;
use crate::manager::{JournalQuery, LxdRunnerManager, View};

/// How many entries are read at once.
const PIECE: usize = 1000;

/// Counts all entries after `after` as they come, until the manager ends.
pub async fn follow(metrics: Metrics, manager: LxdRunnerManager, mut after: u64) {
    let mut changes = manager.subscribe();
    loop {
        let view = Arc::clone(&changes.borrow_and_update());
        after = count_up_to(&metrics, &manager, &view, after).await;
        drop(view);
        metrics.counted.send_replace(after);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Counts what the view has; returns up to where that is done. What could not be read is tried
/// again with the next change.
async fn count_up_to(
    metrics: &Metrics,
    manager: &LxdRunnerManager,
    view: &View,
    mut after: u64,
) -> u64 {
    while after < view.journal_head {
        let query = JournalQuery { after, limit: PIECE, ..JournalQuery::default() };
        let entries = match manager.journal(query).await {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(%error, "the journal could not be counted");
                return after;
            }
        };
        // An entry beyond the view is about a record that the view does not have yet.
        for entry in entries.iter().filter(|entry| entry.seq <= view.journal_head) {
            metrics.count(entry, view);
        }
        // Entries that cannot be read are left out of the journal.
        let all = entries.len() < PIECE;
        let last = entries.last().filter(|_| !all).map_or(view.journal_head, |entry| entry.seq);
        after = last.min(view.journal_head);
    }
    after
}
