//! The journal's table: appended to, cut at its bound, read in both directions.

use std::ops::Bound;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::{disk, schema};
use crate::model::{InstanceName, JournalEntry, RunnerId};

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

/// As [`super::Store::journal`] says. Entries that cannot be read are left out.
pub(super) fn read(
    database: &Database,
    after: u64,
    limit: usize,
    last: bool,
    runner: Option<&RunnerId>,
) -> Result<Vec<JournalEntry>, redb::Error> {
    let table = database.begin_read()?.open_table(schema::JOURNAL)?;
    let mut rows = table.range((Bound::Excluded(after), Bound::Unbounded))?;
    let mut entries = Vec::new();
    while entries.len() < limit {
        let Some(row) = (if last { rows.next_back() } else { rows.next() }) else { break };
        let (seq, bytes) = row?;
        let entry = disk::decode_entry(seq.value(), bytes.value());
        let is_wanted = |entry: &JournalEntry| {
            let about = entry.runner.as_ref().map(InstanceName::id);
            runner.is_none_or(|wanted| about == Some(wanted))
        };
        entries.extend(entry.filter(is_wanted));
    }
    if last {
        entries.reverse();
    }
    Ok(entries)
}
