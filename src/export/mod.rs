//! The metric events as a file for other programs: one JSON object a line, each event once.
//!
//! The journal is the truth. The file is brought up to it, and a position beside the store tells
//! how far that is; what a crash leaves behind the position is cut off and written again.

mod file;
mod position;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::manager::{JournalPart, JournalQuery, LxdRunnerManager, View};
use crate::model::JournalKind;
use file::EventsFile;

/// How many events are written at once.
const PIECE: usize = 1000;
/// How soon it is tried again where the file cannot be written.
const AGAIN: Duration = Duration::from_secs(5);

/// Where metric events are written to, and how much of them is kept.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The file.
    pub file: PathBuf,
    /// The folder of the position, which is larm's own.
    pub state_dir: PathBuf,
    /// The largest that the file becomes, in bytes, before it is rotated.
    pub max_size: u64,
    /// How many rotated files are kept.
    pub keep: usize,
}

/// Keeps the file up to the journal, until the manager ends.
pub async fn follow(options: ExportOptions, manager: LxdRunnerManager) {
    let mut changes = manager.subscribe();
    let mut file = EventsFile::new(options);
    let mut trouble = false;
    let mut after = None;
    loop {
        let view = Arc::clone(&changes.borrow_and_update());
        let result = bring_up(&mut file, &manager, &view, &mut after).await;
        if let Err(error) = &result
            && !std::mem::replace(&mut trouble, true)
        {
            tracing::error!(%error, "metric events are not written: they wait in the journal");
        }
        if result.is_ok() && std::mem::take(&mut trouble) {
            tracing::info!("metric events are written again");
        }
        drop(view);
        if trouble {
            tokio::time::sleep(AGAIN).await;
        } else if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Writes what the journal has and the file has not; `after` is how far that is, once known.
async fn bring_up(
    file: &mut EventsFile,
    manager: &LxdRunnerManager,
    view: &View,
    after: &mut Option<u64>,
) -> Result<(), String> {
    let head = view.journal_head;
    let mut from = match *after {
        Some(after) => after,
        None => file.work(move |file| file.begin(head)).await?,
    };
    while from < head {
        let part = JournalPart::Metrics;
        let query = JournalQuery { after: from, limit: PIECE, part, ..JournalQuery::default() };
        let entries = manager.journal(query).await.map_err(|error| error.to_string())?;
        let upto = if entries.len() < PIECE { Some(head) } else { None };
        let last = entries.last().map(|entry| entry.seq);
        let mut lines = Vec::new();
        for entry in &entries {
            if let JournalKind::Metric { metric } = &entry.what {
                serde_json::to_writer(&mut lines, metric).map_err(|error| error.to_string())?;
                lines.push(b'\n');
            }
        }
        // An entry may have come since the view.
        from = upto.max(last).unwrap_or(head);
        if !lines.is_empty() {
            file.work(move |file| file.append(&lines, from)).await?;
        }
        *after = Some(from);
    }
    *after = Some(from);
    Ok(())
}

#[cfg(test)]
mod tests;
