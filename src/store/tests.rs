//! The store against everything that happens to files.

mod crash;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::TempDir;

use super::{Changes, JournalPart, JournalQuery, Opened, SetAside, Store, StoreError, schema};
use crate::model::{
    CloudRunnerState, InstanceType, JournalEntry, JournalKind, Phase, Record, RunnerId, Spec,
};

fn now() -> Timestamp {
    Timestamp::from_second(1_764_000_000).unwrap()
}

fn record(n: u64) -> Arc<Record> {
    let id = RunnerId::from_bits(n);
    let spec = Spec {
        pool: "default".to_owned(),
        fingerprint: String::new(),
        baked: None,
        image: "larm-debian12".to_owned(),
        instance_type: InstanceType::Container,
        profiles: vec!["larm".to_owned()],
        cpu: Some(2),
        memory: None,
        disk: None,
        guest: String::new(),
        nesting: false,
        share: String::new(),
    };
    Arc::new(Record::planned(format!("t-{id}").parse().unwrap(), spec, true, now()))
}

fn entry(seq: u64, runner: &Record) -> JournalEntry {
    let what = JournalKind::Note { text: format!("number {seq}") };
    JournalEntry { seq, at: now(), runner: Some(runner.name.clone()), what }
}

fn open(dir: &Path) -> Opened {
    Store::open(dir, now()).unwrap()
}

fn commit(store: &Store, put: &[Arc<Record>], journal: &[JournalEntry]) {
    store.commit(&Changes { put, forget: &[], journal }).unwrap();
}

fn first(limit: usize) -> JournalQuery {
    JournalQuery { limit, ..JournalQuery::default() }
}

fn seqs(entries: &[JournalEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// A directory with a closed store of one record and one journal entry.
fn filled() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).store;
    commit(&store, &[record(1)], &[entry(1, &record(1))]);
    store.close().unwrap();
    dir
}

/// Changes a closed store's raw rows.
fn raw(dir: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(dir.join("larm.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn what_was_committed_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    assert!(opened.records.is_empty() && opened.set_aside.is_empty());
    assert_eq!(opened.journal_head, 0);
    let mut second = Record::clone(&record(2));
    second.phase = Phase::Busy;
    second.state = CloudRunnerState::Active;
    second.probe = Some(Err("no answer".to_owned()));
    second.corrupt = vec!["pre-job".to_owned()];
    second.marks.0.insert(Phase::Busy, now());
    let second = Arc::new(second);
    let changes = Changes {
        put: &[record(1), Arc::clone(&second), record(3)],
        forget: &[],
        journal: &[entry(1, &second)],
    };
    // Twice: a caller that does not know whether a commit went through repeats it.
    opened.store.commit(&changes).unwrap();
    opened.store.commit(&changes).unwrap();
    let forget = [RunnerId::from_bits(3)];
    opened.store.commit(&Changes { forget: &forget, ..Changes::default() }).unwrap();
    opened.store.close().unwrap();

    let opened = open(dir.path());
    assert_eq!(opened.records, [Record::clone(&record(1)), Record::clone(&second)]);
    assert_eq!(opened.journal_head, 1);
    assert_eq!(opened.store.journal(&first(9)).unwrap(), [entry(1, &second)]);
}

#[test]
fn the_journal_is_bounded_and_read_from_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Store::open_bounded(dir.path(), now(), 10).unwrap();
    let (odd, even) = (record(1), record(2));
    for seq in 1..=25 {
        commit(&opened.store, &[], &[entry(seq, if seq % 2 == 1 { &odd } else { &even })]);
    }
    let read = |after, limit, last, runner: Option<&RunnerId>| {
        let runner = runner.cloned();
        let query = JournalQuery { after, limit, last, runner, part: JournalPart::All };
        seqs(&opened.store.journal(&query).unwrap())
    };
    assert_eq!(read(0, 100, false, None), (16..=25).collect::<Vec<_>>());
    assert_eq!(read(0, 3, false, None), [16, 17, 18]);
    assert_eq!(read(18, 3, false, None), [19, 20, 21]);
    assert_eq!(read(0, 3, true, None), [23, 24, 25]);
    assert_eq!(read(24, 3, true, None), [25]);
    assert_eq!(read(0, 2, true, Some(odd.id())), [23, 25]);
    assert_eq!(read(0, 2, false, Some(even.id())), [16, 18]);
    assert_eq!(read(u64::MAX, 2, false, None), [0; 0]);
    assert_eq!(read(0, 0, false, None), [0; 0]);
    drop(opened);
    assert_eq!(Store::open_bounded(dir.path(), now(), 10).unwrap().journal_head, 25);
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let dir = filled();
    raw(dir.path(), |transaction| {
        let meta = TableDefinition::<'_, &str, u64>::new("meta");
        transaction.open_table(meta).unwrap().insert("schema", 99).unwrap();
    });
    let error = Store::open(dir.path(), now()).unwrap_err();
    assert!(error.to_string().contains("has schema 99, and this larm knows schemas up to 2"));
    assert!(error.hint().unwrap().contains("install the larm that wrote it"));
    raw(dir.path(), |transaction| {
        let table = transaction.open_table(schema::RECORDS).unwrap();
        assert_eq!(table.iter().unwrap().count(), 1);
    });
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing was put aside");
}

#[test]
fn an_older_schema_is_taken_along() {
    let dir = filled();
    raw(dir.path(), |transaction| {
        transaction.delete_table(schema::JOBS).unwrap();
        let meta = TableDefinition::<'_, &str, u64>::new("meta");
        transaction.open_table(meta).unwrap().insert("schema", 1).unwrap();
    });
    let opened = Store::open(dir.path(), now()).unwrap();
    assert_eq!((opened.records.len(), opened.set_aside.len()), (1, 0));
    assert!(opened.store.jobs(1, |_| true).unwrap().is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_put_aside_and_begun_anew() {
    let whole = fs::read(filled().path().join("larm.redb")).unwrap();
    let garbage = b"this is no database".repeat(5000);
    let mut zeroed_head = whole.clone();
    zeroed_head[..64].fill(0);
    let half = whole[..whole.len() / 2].to_vec();
    for (name, bytes) in [
        ("garbage", garbage),
        ("short", b"?".to_vec()),
        ("half", half),
        ("zeroed head", zeroed_head),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("larm.redb"), &bytes).unwrap();
        let opened = open(dir.path());
        let [SetAside::File { kept_at, reason }] = opened.set_aside.as_slice() else {
            panic!("{name}: {:?}", opened.set_aside);
        };
        assert!(!reason.is_empty());
        assert_eq!(fs::read(kept_at).unwrap(), bytes, "{name}");
        commit(&opened.store, &[record(1)], &[]);
        opened.store.close().unwrap();
        assert_eq!(open(dir.path()).records.len(), 1, "{name}");
    }
}

/// Whatever byte of the file is wrong: no panic, and either all is read or something is told.
#[test]
fn no_flipped_byte_stops_the_store() {
    let whole = fs::read(filled().path().join("larm.redb")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("larm.redb");
    let places = (0..320).step_by(3).chain((320..whole.len()).step_by(whole.len() / 60));
    for place in places {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        match Store::open(dir.path(), now()) {
            Ok(opened) => {
                let told = !opened.set_aside.is_empty();
                assert!(told || opened.records.len() == 1, "byte {place} lost the record silently");
                commit(&opened.store, &[record(2)], &[entry(2, &record(2))]);
                opened.store.close().unwrap();
            }
            Err(error) => assert!(matches!(error, StoreError::FileFormat { .. }), "{error:?}"),
        }
    }
}

#[test]
fn a_record_that_cannot_be_read_hides_no_other() {
    let dir = filled();
    let future = br#"{"v":2,"runner":{}}"#;
    let deep = [b"{\"v\":1,\"runner\":".to_vec(), b"[".repeat(5000)].concat();
    raw(dir.path(), |transaction| {
        let mut table = transaction.open_table(schema::RECORDS).unwrap();
        table.insert("0garbage", &b"\xff\x00"[..]).unwrap();
        table.insert("future", &future[..]).unwrap();
        table.insert("deep", deep.as_slice()).unwrap();
        let mine = table.get("000000000001").unwrap().unwrap().value().to_vec();
        table.insert("000000000009", mine.as_slice()).unwrap();
    });
    let opened = open(dir.path());
    assert_eq!(opened.records, [Record::clone(&record(1))]);
    let told: Vec<String> = opened.set_aside.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4);
    assert!(told.iter().any(|one| one.contains("its version is 2")), "{told:?}");
    assert!(told.iter().any(|one| one.contains("it is about runner 000000000001")), "{told:?}");
    opened.store.close().unwrap();

    // They are told of once, and kept.
    let opened = open(dir.path());
    assert!(opened.set_aside.is_empty());
    opened.store.close().unwrap();
    drop(opened);
    let database = Database::open(dir.path().join("larm.redb")).unwrap();
    let damaged = database.begin_read().unwrap().open_table(schema::DAMAGED).unwrap();
    assert_eq!(damaged.get("future").unwrap().unwrap().value(), future);
    assert_eq!(damaged.iter().unwrap().count(), 4);
}

#[test]
fn a_journal_entry_that_cannot_be_read_hides_no_other() {
    let dir = filled();
    raw(dir.path(), |transaction| {
        let mut table = transaction.open_table(schema::JOURNAL).unwrap();
        table.insert(2, &b"{\"v\":1,\"what\":{\"event\":\"unheard-of\"}}"[..]).unwrap();
    });
    let opened = open(dir.path());
    commit(&opened.store, &[], &[entry(3, &record(1))]);
    assert_eq!(opened.journal_head, 2);
    assert_eq!(seqs(&opened.store.journal(&first(9)).unwrap()), [1, 3]);
}

/// What an older or a newer larm wrote is read: unknown fields are ignored, missing ones have
/// defaults.
#[test]
fn records_of_other_versions_are_read() {
    let dir = filled();
    let old = r#"{"v":1,"written_by":"larm 9","runner":{"name":"t-0000000000aa","colour":"red",
        "spec":{"pool":"default","image":"i","instance_type":"container","profiles":[]},
        "phase":"standby","marks":{"planned":"2025-11-24T16:00:00Z"},"state":"active",
        "health":{"state":"healthy"},"handover":"none",
        "metrics":{"runner_name":"t-0000000000aa"}}}"#;
    raw(dir.path(), |transaction| {
        let mut table = transaction.open_table(schema::RECORDS).unwrap();
        table.insert("0000000000aa", old.as_bytes()).unwrap();
    });
    let opened = open(dir.path());
    assert_eq!(opened.set_aside, []);
    let read = &opened.records[1];
    assert_eq!((read.phase, read.made, read.guest_seq), (Phase::Standby, false, 0));
    assert_eq!(read.retry, None);
}

const OTHER_DIR: &str = "LARM_TEST_STORE_DIR";

/// Not a test of its own: `a_second_process_is_told_who_has_the_store` runs it in another process.
#[test]
fn opens_as_another_process() {
    let Ok(dir) = std::env::var(OTHER_DIR) else { return };
    match Store::open(Path::new(&dir), now()) {
        Err(error @ StoreError::AlreadyRunning { .. }) => println!("REFUSED {error}"),
        Err(error) => println!("FAILED {error}"),
        Ok(_) => println!("OPENED"),
    }
}

fn as_another_process(dir: &Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::opens_as_another_process", "--nocapture"])
        .env(OTHER_DIR, dir)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path());
    let me = format!(
        "REFUSED larm is already running on {} (pid {})",
        dir.path().display(),
        std::process::id()
    );
    assert!(as_another_process(dir.path()).contains(&me));
    // A pid that is another process's today is not named.
    fs::write(dir.path().join("larm.pid"), "1 99999999999\n").unwrap();
    assert!(as_another_process(dir.path()).contains("(another process)"));
    opened.store.close().unwrap();
    // The other process ends without closing; what it left in the pid file lies about nobody.
    assert!(as_another_process(dir.path()).contains("OPENED"));
    assert!(open(dir.path()).set_aside.is_empty());
}

#[test]
fn a_closed_store_says_so() {
    let dir = filled();
    let opened = open(dir.path());
    opened.store.close().unwrap();
    opened.store.close().unwrap();
    assert!(matches!(opened.store.commit(&Changes::default()), Err(StoreError::Closed)));
    assert!(matches!(opened.store.journal(&first(1)), Err(StoreError::Closed)));
    assert!(open(dir.path()).records.len() == 1);
}
