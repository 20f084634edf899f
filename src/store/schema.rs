//! The tables, and the numbered steps from each old schema to the next.

use redb::{Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

/// A runner's id to its record, as `disk` encodes it.
pub(super) const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
/// A `seq` to its journal entry, as `disk` encodes it.
pub(super) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
/// A job's number to what is known of it, as `jobs` encodes it.
pub(super) const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs");
/// The bytes of records that could not be read.
pub(super) const DAMAGED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("damaged");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const SCHEMA: &str = "schema";

/// One step to the schema that stands beside it in [`STEPS`].
type Migration = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// The schema that this larm writes.
pub(super) const VERSION: u64 = 2;

const STEPS: [(u64, Migration); 2] = [(1, make_tables), (2, make_jobs)];

/// The schema of a database; 0 for one that was just made.
pub(super) fn version(database: &Database) -> Result<u64, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get(SCHEMA)?.map_or(0, |found| found.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Takes a database from the schema `found` to [`VERSION`], all steps in one transaction.
pub(super) fn migrate(database: &Database, found: u64) -> Result<(), redb::Error> {
    if found == VERSION {
        return Ok(());
    }
    super::write(database, |transaction| {
        for (_, step) in STEPS.iter().filter(|(to, _)| *to > found) {
            step(transaction)?;
        }
        transaction.open_table(META)?.insert(SCHEMA, VERSION)?;
        Ok(())
    })
}

fn make_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(RECORDS)?;
    transaction.open_table(JOURNAL)?;
    transaction.open_table(DAMAGED)?;
    Ok(())
}

fn make_jobs(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(JOBS)?;
    Ok(())
}
