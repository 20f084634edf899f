//! Reports that are read, refused, and read back as written.

use proptest::prelude::*;

use super::*;
use crate::model::StatusInfo;

fn frame(status: &str, pre_job: &str, post_job: &str) -> Vec<u8> {
    let status = STANDARD.encode(status);
    format!("larm-report 1\nstatus {status}\npre-job {pre_job}\npost-job {post_job}\nend\n")
        .into_bytes()
}

#[test]
fn a_report_is_read() {
    let status = "larm-status 1\nseq 3\nphase claimed\nat preparing 1795477179.792141\n\
                  at ready 1795477180\nat moon 1\nat claimed x\nexit -1\ndetail some words\nmore 1\n";
    let report = parse(&frame(status, "-", "!too large")).unwrap();
    assert_eq!((report.seq, report.phase), (3, GuestPhase::Claimed));
    let at = |phase| report.reached.get(&phase).map(ToString::to_string);
    assert_eq!(at(GuestPhase::Preparing).as_deref(), Some("2026-11-23T23:39:39.792141Z"));
    assert_eq!(at(GuestPhase::Ready).as_deref(), Some("2026-11-23T23:39:40Z"));
    assert_eq!(at(GuestPhase::Claimed), None);
    assert_eq!((report.exit_code, report.detail.as_deref()), (Some(-1), Some("some words")));
    assert_eq!(report.pre_job, Found::Absent);
    assert_eq!(report.post_job, Found::Corrupt("too large".to_owned()));
}

#[test]
fn what_is_no_report_is_refused() {
    let whole = frame("larm-status 1\nseq 1\nphase ready\n", "-", "-");
    assert!(parse(&whole).is_ok());
    assert_eq!(parse(&whole[..whole.len() - 4]), Err(ReportError::NoReport));
    assert_eq!(parse(b""), Err(ReportError::NoReport));
    assert_eq!(parse(b"larm-report 1\n\xff\nend\n"), Err(ReportError::NoReport));
    assert_eq!(parse(b"larm-report 1\nstatus -\nend\n"), Err(ReportError::NoStatus));
    assert_eq!(parse(&vec![b'a'; 20_000]), Err(ReportError::TooLarge));
    for status in ["", "larm-status 1\nseq 1\n", "larm-status 1\nphase ready\n", "larm-status 9\n"]
    {
        assert!(matches!(parse(&frame(status, "-", "-")), Err(ReportError::Status(_))), "{status}");
    }
    for seq in ["-1", "x", "99999999999999999999999"] {
        let status = format!("larm-status 1\nseq {seq}\nphase ready\n");
        assert!(parse(&frame(&status, "-", "-")).is_err(), "{seq}");
    }
}

#[test]
fn times_are_exact_and_wrong_ones_ignored() {
    assert_eq!(timestamp("0.000000001").unwrap().as_nanosecond(), 1);
    assert_eq!(timestamp("1795477179").unwrap().as_second(), 1_795_477_179);
    for wrong in ["", ".", "1.", ".1", "-1", "1e9", "1.0000000001", "99999999999999999", "NaN"] {
        assert_eq!(timestamp(wrong), None, "{wrong}");
    }
}

#[test]
fn a_report_is_read_back_as_rendered() {
    let at = |seconds| Timestamp::from_microsecond(seconds).unwrap();
    let report = GuestReport {
        seq: 7,
        phase: GuestPhase::Finished,
        reached: BTreeMap::from([
            (GuestPhase::Ready, at(1_795_477_180_000_001)),
            (GuestPhase::Finished, at(1_795_477_190_250_000)),
        ]),
        exit_code: Some(137),
        detail: Some("flushed".to_owned()),
        oom_kills: 0,
        pre_job: Found::Present(PreJobMetrics {
            timestamp: 1_795_477_181.5,
            workflow: "a \"b\"\n€".to_owned(),
            workflow_run_id: "9".to_owned(),
            repository: "acme/web".to_owned(),
            event: "push".to_owned(),
        }),
        post_job: Found::Present(PostJobMetrics {
            timestamp: 1_795_477_190.0,
            status: PostJobStatus::Abnormal,
            status_info: Some(StatusInfo { code: 137 }),
        }),
    };
    assert_eq!(parse(render(&report).as_bytes()), Ok(report));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        drop(parse(&bytes));
        let (text, encoded) = (String::from_utf8_lossy(&bytes), STANDARD.encode(&bytes));
        drop(parse(&frame(&text, &encoded, &encoded)));
        drop(parse(&frame(&format!("larm-status 1\nseq 1\nphase ready\nat ready {text}"), "-", "-")));
    }
}
