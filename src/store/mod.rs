//! Records, journal and jobs on disk: one redb file, one owner, one transaction per change.
//!
//! ```text
//! state directory
//!   larm.redb                  tables: meta, records, journal, jobs, damaged
//!   larm.redb.damaged-TIME     a file that could not be read, kept for a look
//!   larm.pid                   locked while a store is open; names the process that has it
//! ```
//!
//! Everything blocks: async callers go through `spawn_blocking`. After an I/O error redb refuses
//! all further work on its handle, so the file is opened anew before the next call; a full disk
//! therefore costs the commits made while it was full, and nothing else.

mod disk;
mod error;
mod file;
mod jobs;
mod journal;
mod lock;
mod schema;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use jiff::Timestamp;
use redb::{Database, DatabaseError, WriteTransaction};

use crate::model::{JournalEntry, Record, RunnerId};

pub use error::StoreError;
pub use jobs::JOBS_BOUND;
pub use journal::{JournalPart, JournalQuery};

use lock::PidLock;

/// How many journal entries are kept unless told otherwise.
pub const JOURNAL_BOUND: u64 = 100_000;

/// Opens the database again after an I/O error.
type Reopen = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// The store; share it with an `Arc`.
pub struct Store {
    state: RwLock<State>,
    reopen: Reopen,
    /// Where it is, for messages.
    path: PathBuf,
    journal_bound: u64,
    /// Held until the database is closed; nobody else opens it meanwhile.
    lock: Mutex<Option<PidLock>>,
}

/// A store that was just opened, and what was in it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Every record that could be read, by id.
    pub records: Vec<Record>,
    /// The `seq` of the newest journal entry; 0 while there is none.
    pub journal_head: u64,
    /// What could not be read, and was put aside.
    pub set_aside: Vec<SetAside>,
}

/// Something that could not be read, and was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetAside {
    /// The whole file: all records are to be rebuilt from LXD.
    File {
        /// Where it is kept.
        kept_at: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One record, kept in the table `damaged`.
    Record {
        /// Its key, which is a runner's id.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What one transaction writes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes<'a> {
    /// Records to write, new or changed.
    pub put: &'a [Arc<Record>],
    /// Records to remove.
    pub forget: &'a [RunnerId],
    /// Journal entries to add; their `seq` is their key.
    pub journal: &'a [JournalEntry],
}

enum State {
    Open(Database),
    /// An I/O error made the handle useless.
    Broken,
    Closed,
}

impl Store {
    /// Opens the store in `dir`, made if missing, with the journal bounded at [`JOURNAL_BOUND`].
    ///
    /// Fails if another process has it open, if a newer larm wrote it, and on I/O errors. A file
    /// or record that cannot be read is no failure: it is put aside and told of.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Opened, StoreError> {
        Self::open_bounded(dir, now, JOURNAL_BOUND)
    }

    /// Like [`Store::open`], keeping at most `journal_bound` journal entries (at least one).
    pub fn open_bounded(
        dir: &Path,
        now: Timestamp,
        journal_bound: u64,
    ) -> Result<Opened, StoreError> {
        file::make_dir(dir)?;
        let lock = PidLock::take(dir)?;
        let path = dir.join("larm.redb");
        let (database, damage) = file::open_or_put_aside(&path, now)?;
        let again = path.clone();
        let reopen: Reopen = Box::new(move || file::open_existing(&again));
        let store = Self {
            state: RwLock::new(State::Open(database)),
            reopen,
            path,
            journal_bound: journal_bound.max(1),
            lock: Mutex::new(Some(lock)),
        };
        store.into_opened(damage.into_iter().collect())
    }

    /// Writes all changes in one transaction: after a crash all of them are there, or none.
    ///
    /// Repeating it changes nothing, so a caller that got an error may simply try again.
    pub fn commit(&self, changes: &Changes<'_>) -> Result<(), StoreError> {
        let records = changes.put.iter().map(|record| disk::encode_record(record));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        let entries = changes.journal.iter().map(disk::encode_entry);
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        self.with("write to", |database| {
            write(database, |transaction| {
                let mut table = transaction.open_table(schema::RECORDS)?;
                for (record, bytes) in changes.put.iter().zip(&records) {
                    table.insert(record.id().as_str(), bytes.as_slice())?;
                }
                for id in changes.forget {
                    table.remove(id.as_str())?;
                }
                let entries = changes.journal.iter().map(|entry| entry.seq).zip(&entries);
                journal::append(transaction, entries, self.journal_bound)
            })
        })
    }

    /// Reads the journal, the oldest entry first.
    pub fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>, StoreError> {
        self.with("read", |database| journal::read(database, query))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file and lets others open it. Everything asked of the store afterwards fails.
    pub fn close(&self) -> Result<(), StoreError> {
        let before = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *state, State::Closed)
        };
        let result = match before {
            State::Open(database) => database
                .close()
                .map_err(|source| StoreError::database("close", &self.path, source.into())),
            State::Broken | State::Closed => Ok(()),
        };
        self.held_lock().take();
        result
    }

    fn into_opened(self, mut set_aside: Vec<SetAside>) -> Result<Opened, StoreError> {
        let found = self.with("read", schema::version)?;
        if found > schema::VERSION {
            return Err(StoreError::NewerSchema { path: self.path, found, known: schema::VERSION });
        }
        self.with("migrate", |database| schema::migrate(database, found))?;
        let (records, damaged) = self.with("read", disk::load_records)?;
        self.with("write to", |database| disk::put_records_aside(database, &damaged))?;
        set_aside.extend(damaged);
        let journal_head = self.with("read", journal::head)?;
        Ok(Opened { store: self, records, journal_head, set_aside })
    }

    /// Does work on the open database, which is opened anew if the last work broke it.
    fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        self.mend()?;
        let result = match &*self.reading() {
            State::Open(database) => work(database),
            State::Broken => Err(redb::Error::PreviousIo),
            State::Closed => return Err(StoreError::Closed),
        };
        result.map_err(|source| {
            self.mark_broken();
            StoreError::database(doing, &self.path, source)
        })
    }

    fn mend(&self) -> Result<(), StoreError> {
        if !matches!(*self.reading(), State::Broken) {
            return Ok(());
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Broken) {
            let database = (self.reopen)()
                .map_err(|source| StoreError::database("reopen", &self.path, source.into()))?;
            *state = State::Open(database);
        }
        Ok(())
    }

    fn mark_broken(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Open(_)) {
            *state = State::Broken;
        }
    }

    fn reading(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_lock(&self) -> MutexGuard<'_, Option<PidLock>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` in one write transaction. Quick repair makes the next open after a crash fast, and
/// brings the two-phase commit that no crash during recovery can roll back.
fn write(
    database: &Database,
    work: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    work(&transaction)?;
    transaction.commit()?;
    Ok(())
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { kept_at, reason } => write!(
                f,
                "the store could not be read ({reason}); it is kept as {} and begun anew",
                kept_at.display()
            ),
            Self::Record { key, reason } => {
                write!(
                    f,
                    "the record of runner {key} could not be read ({reason}); it was put aside"
                )
            }
        }
    }
}
