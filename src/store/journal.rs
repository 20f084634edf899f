//! The journal's table: appended to, cut at its bound, read in both directions.

use std::ops::Bound;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::{disk, schema};
use crate::model::{InstanceName, JournalEntry, JournalKind, RunnerId};
use serde::{Deserialize, Serialize};

/// Adds entries, then drops the oldest until at most `bound` are left.
pub(super) fn append<'a>(
    transaction: &WriteTransaction,
    entries: impl Iterator<Item = (u64, &'a Vec<u8>)>,
    bound: u64,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(schema::JOURNAL)?;
    for (seq, bytes) in entries {
        table.insert(seq, bytes.as_slice())?;
    }
    while table.len()? > bound {
        table.pop_first()?;
    }
    Ok(())
}

/// The `seq` of the newest entry; 0 while there is none.
pub(super) fn head(database: &Database) -> Result<u64, redb::Error> {
    let table = database.begin_read()?.open_table(schema::JOURNAL)?;
    Ok(table.last()?.map_or(0, |(seq, _)| seq.value()))
}

/// Which journal entries to read.
#[derive(Debug, Clone, Default)]
pub struct JournalQuery {
    /// Only those after this `seq`.
    pub after: u64,
    /// At most so many, the oldest first; with `last` the newest.
    pub limit: usize,
    /// Take the newest `limit` entries instead of the oldest.
    pub last: bool,
    /// Only those about this runner.
    pub runner: Option<RunnerId>,
    /// Only those of this kind.
    pub part: JournalPart,
}

/// A kind of journal entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalPart {
    /// All of them.
    #[default]
    All,
    /// What people want to read: not the metric events, which say again what phases say.
    Story,
    /// The metric events.
    Metrics,
}

impl JournalQuery {
    fn wants(&self, entry: &JournalEntry) -> bool {
        let is_metric = matches!(entry.what, JournalKind::Metric { .. });
        let fits = match self.part {
            JournalPart::All => true,
            JournalPart::Story => !is_metric,
            JournalPart::Metrics => is_metric,
        };
        let about = entry.runner.as_ref().map(InstanceName::id);
        fits && self.runner.as_ref().is_none_or(|wanted| about == Some(wanted))
    }
}

/// As [`super::Store::journal`] says. Entries that cannot be read are left out.
pub(super) fn read(
    database: &Database,
    query: &JournalQuery,
) -> Result<Vec<JournalEntry>, redb::Error> {
    let table = database.begin_read()?.open_table(schema::JOURNAL)?;
    let mut rows = table.range((Bound::Excluded(query.after), Bound::Unbounded))?;
    let mut entries = Vec::new();
    while entries.len() < query.limit {
        let Some(row) = (if query.last { rows.next_back() } else { rows.next() }) else { break };
        let (seq, bytes) = row?;
        let entry = disk::decode_entry(seq.value(), bytes.value());
        entries.extend(entry.filter(|entry| query.wants(entry)));
    }
    if query.last {
        entries.reverse();
    }
    Ok(entries)
}
