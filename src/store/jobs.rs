//! The jobs' table: what is known of each, bounded, the lowest numbers dropped first. GitHub's
//! numbers grow.

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, schema, write};
use crate::model::{Job, JobId};

/// How many jobs are kept.
pub const JOBS_BOUND: u64 = 10_000;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    job: &'a Job,
}

#[derive(Deserialize)]
struct Read {
    job: Job,
}

impl Store {
    /// Writes jobs, new or changed, in one transaction.
    pub fn keep_jobs(&self, jobs: &[Job]) -> Result<(), StoreError> {
        let rows = jobs.iter().map(|job| Ok((job.id, encode(job)?)));
        let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
        self.with("write to", |database| write(database, |transaction| put(transaction, &rows)))
    }

    /// The newest jobs that `wanted` takes, at most `limit` of them, the newest first. Jobs that
    /// cannot be read are left out.
    pub fn jobs(
        &self,
        limit: usize,
        wanted: impl Fn(&Job) -> bool,
    ) -> Result<Vec<Job>, StoreError> {
        self.with("read", |database| read(database, limit, &wanted))
    }

    /// One job, if it is kept.
    pub fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.with("read", |database| {
            let table = database.begin_read()?.open_table(schema::JOBS)?;
            Ok(table.get(id)?.and_then(|bytes| decode(bytes.value())))
        })
    }
}

fn encode(job: &Job) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Written { v: VERSION, job })
        .map_err(|source| StoreError::Encode { subject: format!("job {}", job.id), source })
}

fn decode(bytes: &[u8]) -> Option<Job> {
    serde_json::from_slice(bytes).ok().map(|Read { job }| job)
}

fn put(transaction: &WriteTransaction, rows: &[(JobId, Vec<u8>)]) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(schema::JOBS)?;
    for (id, bytes) in rows {
        table.insert(*id, bytes.as_slice())?;
    }
    while table.len()? > JOBS_BOUND {
        table.pop_first()?;
    }
    Ok(())
}

fn read(
    database: &Database,
    limit: usize,
    wanted: &dyn Fn(&Job) -> bool,
) -> Result<Vec<Job>, redb::Error> {
    let table = database.begin_read()?.open_table(schema::JOBS)?;
    let mut jobs = Vec::new();
    for row in table.iter()?.rev() {
        if jobs.len() >= limit {
            break;
        }
        let (_, bytes) = row?;
        jobs.extend(decode(bytes.value()).filter(|job| wanted(job)));
    }
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{JobState, Sighting, Source};

    fn job(id: JobId) -> Job {
        let sighting = Sighting {
            id,
            run_id: 1,
            run_attempt: 1,
            repository: "acme/web".to_owned(),
            name: "build".to_owned(),
            workflow: None,
            labels: vec![],
            state: JobState::Queued,
            runner: None,
            conclusion: None,
            created_at: None,
            started_at: None,
            completed_at: None,
        };
        let now = Timestamp::UNIX_EPOCH;
        Job::new(&sighting, "github", Source::Poll, now, now)
    }

    #[test]
    fn the_newest_jobs_are_kept_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Timestamp::UNIX_EPOCH).unwrap().store;
        let jobs: Vec<Job> = (1..=JOBS_BOUND + 5).map(job).collect();
        store.keep_jobs(&jobs).unwrap();
        assert_eq!(store.job(5).unwrap(), None);
        assert_eq!(store.job(6).unwrap(), Some(job(6)));
        let newest = store.jobs(2, |job| job.id % 2 == 0).unwrap();
        assert_eq!(newest.iter().map(|job| job.id).collect::<Vec<_>>(), [10_004, 10_002]);
        assert_eq!(store.jobs(usize::MAX, |_| true).unwrap().len(), 10_000);
    }
}
