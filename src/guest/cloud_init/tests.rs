//! Recorded answers of real guests, the older plain text, and nonsense.

use proptest::prelude::*;

use super::CloudInitStatus::{Degraded, Disabled, Done, Error, NotStarted, Running};
use super::*;

/// What real guests printed, one answer per line.
const RECORDED: &str = include_str!("recorded.jsonl");

#[derive(Deserialize)]
struct Recorded {
    version: String,
    code: i32,
    output: String,
}

fn read(code: i32, output: &str) -> (CloudInitStatus, bool, Option<String>) {
    let reading = parse(code, output.as_bytes()).unwrap();
    (reading.status, reading.degraded, reading.detail)
}

#[test]
fn recorded_answers_are_understood() {
    let mut expected = [
        ("22.4.2", NotStarted, false, None),
        ("22.4.2", Running, false, None),
        ("22.4.2", Done, false, None),
        ("22.4.2", Error, false, Some("('scripts-user', RuntimeError(")),
        ("25.1.4", NotStarted, false, None),
        ("25.1.4", Running, false, None),
        ("25.1.4", Done, false, None),
        ("25.1.4", Error, false, Some("('scripts-user', RuntimeError(")),
        ("25.1.4", Done, true, Some("cloud-config failed schema validation!")),
        ("25.1.4", Running, true, Some("Unhandled non-multipart")),
    ]
    .into_iter();
    for line in RECORDED.lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let (version, status, degraded, start) = expected.next().unwrap();
        assert_eq!(recorded.version, version);
        let (found, found_degraded, detail) = read(recorded.code, &recorded.output);
        assert_eq!((found, found_degraded), (status, degraded), "{line}");
        match start {
            Some(start) => assert!(detail.unwrap().starts_with(start), "{line}"),
            None => assert_eq!(detail, None, "{line}"),
        }
    }
    assert!(expected.next().is_none());
}

#[test]
fn plain_text_is_understood() {
    for (code, output, status) in [
        (0, "\nstatus: not run\n", NotStarted),
        (0, "status: running\ntime: Mon\ndetail:\nDataSourceLXD\n", Running),
        (0, "status: done\n", Done),
        (0, "status: disabled\ndetail:\nCloud-init disabled by a file\n", Disabled),
        (2, "status: degraded\n", Degraded),
        (2, "status: done\nextended_status: degraded done\n", Done),
        (1, "status: error\ndetail:\nboom\n", Error),
    ] {
        let found = read(code, output);
        assert_eq!((found.0, found.1), (status, code == 2), "{output}");
    }
    assert_eq!(read(1, "status: error\ndetail:\nboom\n").2.as_deref(), Some("boom"));
}

#[test]
fn an_early_error_counts_though_later_stages_run() {
    let early = r#"{"status":"running","extended_status":"error - running","errors":["x"]}"#;
    assert_eq!(read(1, early), (Error, false, Some("x".to_owned())));
}

#[test]
fn a_missing_command_and_nonsense_are_told_apart() {
    assert_eq!(parse(127, b""), Err(CloudInitError::Missing));
    for nonsense in [&b""[..], b"\xff", b"{}", b"status: purple", b"{\"status\":7}", &[b'['; 9000]]
    {
        assert_eq!(parse(0, nonsense), Err(CloudInitError::Unintelligible(0)));
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(code in any::<i32>(), bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        drop(parse(code, &bytes));
        let text = String::from_utf8_lossy(&bytes);
        drop(parse(code, format!("status: {text}").as_bytes()));
    }
}
