//! The form of records and journal entries on disk: JSON in an envelope with its own version.
//!
//! A reader takes what it knows: unknown fields are ignored, and fields that may be missing have
//! defaults. A change that this does not cover gets a new envelope version and a way to read the
//! old one.

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable};
use serde::{Deserialize, Serialize};

use super::{SetAside, StoreError, schema};
use crate::model::{InstanceName, JournalEntry, JournalKind, Record};

const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Envelope {
    v: u32,
}

#[derive(Serialize)]
struct RecordWritten<'a> {
    v: u32,
    runner: &'a Record,
}

#[derive(Deserialize)]
struct RecordRead {
    runner: Record,
}

#[derive(Serialize)]
struct EntryWritten<'a> {
    v: u32,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    runner: Option<&'a InstanceName>,
    what: &'a JournalKind,
}

#[derive(Deserialize)]
struct EntryRead {
    at: Timestamp,
    runner: Option<InstanceName>,
    what: JournalKind,
}

pub(super) fn encode_record(record: &Record) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&RecordWritten { v: VERSION, runner: record })
        .map_err(|source| StoreError::Encode { subject: record.name.to_string(), source })
}

pub(super) fn encode_entry(entry: &JournalEntry) -> Result<Vec<u8>, StoreError> {
    let JournalEntry { seq: _, at, runner, what } = entry;
    let runner = runner.as_ref();
    serde_json::to_vec(&EntryWritten { v: VERSION, at: *at, runner, what }).map_err(|source| {
        let subject = runner.map_or_else(|| "the journal".to_owned(), ToString::to_string);
        StoreError::Encode { subject, source }
    })
}

/// Reads one journal entry; `None` for one that cannot be read, which hides no other.
pub(super) fn decode_entry(seq: u64, bytes: &[u8]) -> Option<JournalEntry> {
    let EntryRead { at, runner, what } = serde_json::from_slice(bytes).ok()?;
    Some(JournalEntry { seq, at, runner, what })
}

/// All records that can be read, and what is wrong with each of the others.
pub(super) fn load_records(
    database: &Database,
) -> Result<(Vec<Record>, Vec<SetAside>), redb::Error> {
    let table = database.begin_read()?.open_table(schema::RECORDS)?;
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for row in table.iter()? {
        let (key, bytes) = row?;
        match decode_record(key.value(), bytes.value()) {
            Ok(record) => records.push(record),
            Err(reason) => {
                damaged.push(SetAside::Record { key: key.value().to_owned(), reason });
            }
        }
    }
    Ok((records, damaged))
}

/// Moves records that cannot be read to where they hide nothing and can be looked at.
pub(super) fn put_records_aside(
    database: &Database,
    set_aside: &[SetAside],
) -> Result<(), redb::Error> {
    if set_aside.is_empty() {
        return Ok(());
    }
    super::write(database, |transaction| {
        let mut records = transaction.open_table(schema::RECORDS)?;
        let mut damaged = transaction.open_table(schema::DAMAGED)?;
        for entry in set_aside {
            if let SetAside::Record { key, .. } = entry
                && let Some(bytes) = records.remove(key.as_str())?
            {
                damaged.insert(key.as_str(), bytes.value())?;
            }
        }
        Ok(())
    })
}

fn decode_record(key: &str, bytes: &[u8]) -> Result<Record, String> {
    let Envelope { v } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if v != VERSION {
        return Err(format!("its version is {v}, and this larm knows version {VERSION}"));
    }
    let RecordRead { runner } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if runner.id().as_str() != key {
        return Err(format!("it is about runner {}", runner.id()));
    }
    Ok(runner)
}
