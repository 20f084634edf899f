//! The file against crashes, rotation by others, and a disk that takes nothing.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::ExportOptions;
use super::file::EventsFile;

fn options(folder: &Path) -> ExportOptions {
    ExportOptions {
        file: folder.join("events.jsonl"),
        state_dir: folder.to_owned(),
        max_size: 1000,
        keep: 2,
    }
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

/// What happens to the writer.
#[derive(Debug, Clone)]
enum Step {
    /// So many events come and are written.
    Write(u8),
    /// So many come, are written, and the position is not kept.
    CrashBeforeThePosition(u8),
    /// Half a line is written.
    CrashWithinALine,
    /// It is started again.
    Restart,
    /// Somebody else takes the file away.
    RotatedByOthers,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        4 => (1u8..4).prop_map(Step::Write),
        2 => (1u8..4).prop_map(Step::CrashBeforeThePosition),
        1 => Just(Step::CrashWithinALine),
        2 => Just(Step::Restart),
        1 => Just(Step::RotatedByOthers),
    ];
    prop::collection::vec(one, 0..30)
}

struct Writer {
    folder: TempDir,
    file: EventsFile,
    /// The journal: event n is the line "n".
    head: u64,
    from: u64,
    taken_away: String,
}

impl Writer {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = ExportOptions { max_size: u64::MAX, ..options(folder.path()) };
        let file = EventsFile::new(options);
        Self { folder, file, head: 0, from: 0, taken_away: String::new() }
    }

    fn restart(&mut self) {
        let options = ExportOptions { max_size: u64::MAX, ..options(self.folder.path()) };
        self.file = EventsFile::new(options);
        self.from = self.file.begin(self.head).unwrap();
        self.catch_up();
    }

    fn catch_up(&mut self) {
        let lines = numbers(self.from + 1, self.head);
        if !lines.is_empty() {
            self.file.append(lines.as_bytes(), self.head).unwrap();
        }
        self.from = self.head;
    }

    fn take(&mut self, step: &Step) {
        let path = self.folder.path().join("events.jsonl");
        match step {
            Step::Write(count) => {
                self.head += u64::from(*count);
                self.catch_up();
            }
            Step::CrashBeforeThePosition(count) => {
                // What is kept before the lines are written: of this file.
                self.take(&Step::Write(1));
                let position = self.folder.path().join("events.position");
                let kept = fs::read(&position).unwrap();
                self.take(&Step::Write(*count));
                fs::write(position, kept).unwrap();
                self.restart();
            }
            Step::CrashWithinALine => {
                self.take(&Step::Write(1));
                let mut text = fs::read(&path).unwrap();
                text.extend(b"{\"half");
                // In place, as a write does: the file stays the same one.
                fs::write(&path, text).unwrap();
                self.restart();
            }
            Step::Restart => self.restart(),
            Step::RotatedByOthers => {
                self.taken_away += &read(self.folder.path(), "events.jsonl");
                drop(fs::remove_file(&path));
            }
        }
    }
}

fn numbers(from: u64, to: u64) -> String {
    (from..=to).flat_map(|n| [n.to_string(), "\n".to_owned()]).collect()
}

proptest! {
    // Each step waits for the disk.
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_there_once_and_in_order(moves in steps()) {
        let mut writer = Writer::new();
        writer.restart();
        for step in &moves {
            writer.take(step);
        }
        writer.restart();
        let text = writer.taken_away.clone() + &read(writer.folder.path(), "events.jsonl");
        let expected = numbers(1, writer.head);
        prop_assert_eq!(text, expected);
    }
}

#[test]
fn the_file_is_rotated_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventsFile::new(options(folder.path()));
    file.begin(0).unwrap();
    for seq in 1..=4u64 {
        let line = format!("{seq}{}\n", "x".repeat(700));
        file.append(line.as_bytes(), seq).unwrap();
    }
    let begins = |name, with: &str| assert!(read(folder.path(), name).starts_with(with), "{name}");
    begins("events.jsonl", "4");
    begins("events.jsonl.1", "3");
    begins("events.jsonl.2", "2");
    assert!(!folder.path().join("events.jsonl.3").exists());
}

#[test]
fn a_journal_that_begins_anew_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventsFile::new(options(folder.path()));
    file.begin(50).unwrap();
    file.append(b"old\n", 50).unwrap();
    let mut file = EventsFile::new(options(folder.path()));
    assert_eq!(file.begin(3).unwrap(), 0);
    file.append(b"new\n", 3).unwrap();
    assert_eq!(read(folder.path(), "events.jsonl"), "old\nnew\n");
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder.path().join("other"), folder.path().join("events.jsonl"))
        .unwrap();
    assert!(EventsFile::new(options(folder.path())).begin(0).is_err());
    assert!(!folder.path().join("other").exists());
}

#[test]
fn what_no_position_can_tell_of_is_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventsFile::new(options(folder.path()));
    file.begin(0).unwrap();
    file.append(b"1\n", 1).unwrap();
    // A folder in its way: the position cannot be kept.
    let in_the_way = folder.path().join("events.new");
    fs::create_dir(&in_the_way).unwrap();
    for _ in 0..2 {
        assert!(file.append(b"2\n", 2).is_err());
        assert_eq!(read(folder.path(), "events.jsonl"), "1\n");
    }
    fs::remove_dir(in_the_way).unwrap();
    file.append(b"2\n", 2).unwrap();
    assert_eq!(read(folder.path(), "events.jsonl"), "1\n2\n");
}
