//! The store with a full journal: one commit, on disk when it returns, and opening it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use larm::model::{JournalEntry, JournalKind, Phase, Record};
use larm::store::{Changes, JOURNAL_BOUND, Store};
use tempfile::TempDir;

use crate::scene::{NOW, booting};

pub(crate) fn measure(criterion: &mut Criterion) {
    // Not below /tmp, which may be memory.
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let record = Arc::new(booting());
    fill(directory.path(), &record);
    let mut group = criterion.benchmark_group("store with 100,000 journal entries");
    group.sample_size(20);
    group.bench_function("commit: a record and an entry", |bencher| {
        let opened = Store::open(directory.path(), NOW).unwrap();
        let mut seq = opened.journal_head;
        bencher.iter(|| {
            seq += 1;
            commit(&opened.store, &record, &[entry(seq, &record)]);
        });
        opened.store.close().unwrap();
    });
    group.bench_function("open", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| open(directory.path())).sum());
    });
    group.finish();
}

fn open(directory: &Path) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "criterion counts in std's time")]
    let begin = Instant::now();
    let opened = Store::open(directory, NOW).unwrap();
    let took = begin.elapsed();
    assert!(opened.journal_head >= JOURNAL_BOUND);
    opened.store.close().unwrap();
    took
}

/// As many entries as are kept, and one record.
fn fill(directory: &Path, record: &Arc<Record>) {
    let opened = Store::open(directory, NOW).unwrap();
    let entries: Vec<JournalEntry> = (1..=JOURNAL_BOUND).map(|seq| entry(seq, record)).collect();
    for part in entries.chunks(10_000) {
        commit(&opened.store, record, part);
    }
    opened.store.close().unwrap();
}

fn commit(store: &Store, record: &Arc<Record>, journal: &[JournalEntry]) {
    let put = std::slice::from_ref(record);
    store.commit(&Changes { put, forget: &[], journal }).unwrap();
}

fn entry(seq: u64, record: &Record) -> JournalEntry {
    JournalEntry {
        seq,
        at: NOW,
        runner: Some(record.name.clone()),
        what: JournalKind::Phase {
            phase: Phase::Booting,
            from: Some(Phase::Creating),
            reason: Some("LXD has started it".to_owned()),
            guest_at: None,
        },
    }
}
