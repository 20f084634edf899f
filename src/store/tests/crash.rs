//! Power cuts and full disks: a storage that stops keeping what is written at the n-th sync, and
//! one that has no space left for a while.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use redb::{Database, DatabaseError, StorageBackend};

use super::super::{Changes, Opened, State, Store, StoreError};
use super::{entry, record};

/// What the machine's disk would hold.
#[derive(Debug, Default)]
struct Disk {
    /// As the running system sees it.
    live: Vec<u8>,
    /// As it would be after a power cut.
    durable: Vec<u8>,
    syncs: u64,
    /// From this sync on, nothing becomes durable any more.
    frozen_from: Option<u64>,
    /// Beyond this, writes fail with "no space left".
    full_at: Option<usize>,
    /// From this sync on, syncs fail.
    sync_fails_from: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct FakeDisk(Arc<Mutex<Disk>>);

impl FakeDisk {
    fn holding(bytes: Vec<u8>) -> Self {
        let disk = Disk { live: bytes.clone(), durable: bytes, ..Disk::default() };
        Self(Arc::new(Mutex::new(disk)))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Disk) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn open(&self) -> Result<Opened, StoreError> {
        let disk = self.clone();
        let reopen = move || -> Result<Database, DatabaseError> {
            redb::Builder::new().create_with_backend(disk.clone())
        };
        let database = reopen().unwrap();
        let store = Store {
            state: RwLock::new(State::Open(database)),
            reopen: Box::new(reopen),
            path: "fake".into(),
            journal_bound: 5,
            lock: Mutex::new(None),
        };
        store.into_opened(Vec::new())
    }
}

impl StorageBackend for FakeDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.change(|disk| disk.live.len())).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.change(|disk| {
            let from = disk.live.get(start..start + out.len());
            out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.change(|disk| {
            if disk.full_at.is_some_and(|limit| len > limit) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.live.resize(len, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(|disk| {
            disk.syncs += 1;
            if disk.sync_fails_from.is_some_and(|from| disk.syncs >= from) {
                return Err(io::Error::other("the disk is gone"));
            }
            if disk.frozen_from.is_none_or(|from| disk.syncs < from) {
                disk.durable = disk.live.clone();
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.change(|disk| {
            let end = start + data.len();
            if disk.full_at.is_some_and(|limit| end > limit) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.live.resize(disk.live.len().max(end), 0);
            disk.live[start..end].copy_from_slice(data);
            Ok(())
        })
    }
}

/// Commits records 1 to `last`, each with a journal entry and each taking the one before away;
/// returns the number of the last commit that was acknowledged.
fn work(store: &Store, last: u64) -> u64 {
    let mut acknowledged = 0;
    for n in 1..=last {
        let gone = record(n - 1);
        let changes = Changes {
            put: &[record(n)],
            forget: &[gone.id().clone()],
            journal: &[entry(n, &record(n))],
        };
        if store.commit(&changes).is_err() {
            break;
        }
        acknowledged = n;
    }
    acknowledged
}

/// What a store says after a crash must be one of the states that were committed, whole.
fn check_whole(opened: &Opened) -> u64 {
    let head = opened.journal_head;
    let records: Vec<u64> = (head > 0).then_some(head).into_iter().collect();
    let expected: Vec<_> = records.iter().map(|n| (*record(*n)).clone()).collect();
    assert_eq!(opened.records, expected, "a record without its journal entry, or the reverse");
    assert!(opened.set_aside.is_empty());
    head
}

#[test]
fn a_power_cut_at_any_sync_loses_nothing_acknowledged_and_halves_nothing() {
    let disk = FakeDisk::default();
    assert_eq!(work(&disk.open().unwrap().store, 6), 6);
    let syncs = disk.change(|disk| disk.syncs);
    assert!(syncs > 12, "{syncs}");
    // A file whose making was cut short is no database yet; it is put aside like a damaged one.
    let only_made = FakeDisk::default();
    let _made = redb::Builder::new().create_with_backend(only_made.clone()).unwrap();
    let made = only_made.change(|disk| disk.syncs);
    for cut in made + 1..=syncs + 1 {
        let disk = FakeDisk::default();
        disk.change(|disk| disk.frozen_from = Some(cut));
        let opened = disk.open().unwrap();
        // A commit is acknowledged for good only if no sync was lost up to its end.
        let mut safe = 0;
        for n in 1..=6 {
            work_one(&opened.store, n);
            if disk.change(|disk| disk.syncs) < cut {
                safe = n;
            }
        }
        let image = disk.change(|disk| disk.durable.clone());
        std::mem::forget(opened);
        let after = FakeDisk::holding(image).open().unwrap();
        assert!(check_whole(&after) >= safe, "cut at sync {cut}");
        work_one(&after.store, 7);
    }
}

fn work_one(store: &Store, n: u64) {
    let gone = record(n - 1);
    let changes = Changes {
        put: &[record(n)],
        forget: &[gone.id().clone()],
        journal: &[entry(n, &record(n))],
    };
    store.commit(&changes).unwrap();
}

#[test]
fn a_full_disk_is_told_and_outlived() {
    let disk = FakeDisk::default();
    let opened = disk.open().unwrap();
    work_one(&opened.store, 1);
    disk.change(|disk| disk.full_at = Some(disk.live.len()));
    let many: Vec<_> = (100..5000).map(record).collect();
    let error = opened.store.commit(&Changes { put: &many, ..Changes::default() }).unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(error.hint().unwrap().contains("free space"), "{error:?}");
    // It can still be read, and nothing of the change is there.
    assert_eq!(opened.store.journal(&super::first(9)).unwrap().len(), 1);
    disk.change(|disk| disk.full_at = None);
    opened.store.commit(&Changes { put: &many, ..Changes::default() }).unwrap();
    opened.store.close().unwrap();
    assert_eq!(disk.open().unwrap().records.len(), 1 + many.len());
}

#[test]
fn a_sync_that_fails_at_any_moment_halves_nothing() {
    let counted = FakeDisk::default();
    work(&counted.open().unwrap().store, 4);
    let (opening, all) = {
        let only_opened = FakeDisk::default();
        let _opened = only_opened.open().unwrap();
        (only_opened.change(|disk| disk.syncs), counted.change(|disk| disk.syncs))
    };
    let told = AtomicU64::new(0);
    for fails in opening + 1..=all {
        let disk = FakeDisk::default();
        let opened = disk.open().unwrap();
        disk.change(|disk| disk.sync_fails_from = Some(fails));
        let acknowledged = work(&opened.store, 4);
        told.fetch_add(u64::from(acknowledged < 4), Ordering::Relaxed);
        disk.change(|disk| disk.sync_fails_from = None);
        drop(opened);
        assert!(check_whole(&disk.open().unwrap()) >= acknowledged, "sync {fails}");
    }
    assert!(told.into_inner() > 0);
}
