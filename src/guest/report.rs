//! The report that `guest watch` and `guest report` print, read as hostile input.
//!
//! ```text
//! larm-report 1
//! status BASE64        the status file, as below
//! pre-job BASE64       pre-job-metrics.json: `-` if there is none, `!WHY` if it is no file to read
//! post-job BASE64      post-job-metrics.json, likewise
//! end
//! ```
//!
//! The status file has one fact per line:
//!
//! ```text
//! larm-status 1
//! seq 4
//! phase listening
//! at preparing 1795477179.792141
//! at ready 1795477180.031000
//! exit 0
//! oom 1                processes that were killed for lack of memory
//! detail text to the end of the line
//! ```
//!
//! Everything is base64 so that no content can look like the frame. Unknown lines are ignored;
//! a report without `end` was cut off and is refused.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::{command, metrics, text};
use crate::model::{Found, GuestPhase, GuestReport, PostJobMetrics, PostJobStatus, PreJobMetrics};

/// The greatest `seq` that is believed: one that the script can count with.
const MAX_SEQ: u64 = 99_999_999;

/// Why a report cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is larger than any report is.
    #[error("the guest's report is larger than {} bytes", command::OUTPUT_CAP)]
    TooLarge,
    /// It is no report, or was cut off.
    #[error("the guest printed no whole report")]
    NoReport,
    /// The guest has no status yet: its script has not begun.
    #[error("the guest has no status yet")]
    NoStatus,
    /// The status is not what the guest's script writes.
    #[error("the guest's status is corrupt: {0}")]
    Status(String),
}

/// Reads what `guest watch` or `guest report` printed.
pub fn parse(bytes: &[u8]) -> Result<GuestReport, ReportError> {
    if bytes.len() > command::OUTPUT_CAP {
        return Err(ReportError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ReportError::NoReport)?;
    let mut lines = text.lines();
    if lines.next() != Some("larm-report 1") || text.lines().next_back() != Some("end") {
        return Err(ReportError::NoReport);
    }
    let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, value) in lines.filter_map(|line| line.split_once(' ')) {
        fields.entry(key).or_insert(value);
    }
    let mut report = match content(fields.get("status").copied()) {
        Found::Absent => return Err(ReportError::NoStatus),
        Found::Corrupt(why) => return Err(ReportError::Status(why)),
        Found::Present(status) => parse_status(&status)?,
    };
    report.pre_job = file(fields.get("pre-job").copied(), metrics::pre_job);
    report.post_job = file(fields.get("post-job").copied(), metrics::post_job);
    Ok(report)
}

/// Writes a report as the guest's script does, for a simulated guest.
pub fn render(report: &GuestReport) -> String {
    let status = STANDARD.encode(render_status(report));
    let pre_job = render_file(&report.pre_job, pre_job_json);
    let post_job = render_file(&report.post_job, post_job_json);
    format!("larm-report 1\nstatus {status}\npre-job {pre_job}\npost-job {post_job}\nend\n")
}

fn content(value: Option<&str>) -> Found<Vec<u8>> {
    match value {
        None | Some("-") => Found::Absent,
        Some(value) => match value.strip_prefix('!') {
            Some(why) => Found::Corrupt(text::line(why)),
            None => STANDARD
                .decode(value)
                .map_or_else(|_| Found::Corrupt("no base64".to_owned()), Found::Present),
        },
    }
}

fn file<T>(value: Option<&str>, read: impl Fn(&[u8]) -> Found<T>) -> Found<T> {
    match content(value) {
        Found::Absent => Found::Absent,
        Found::Corrupt(why) => Found::Corrupt(why),
        Found::Present(bytes) => read(&bytes),
    }
}

fn parse_status(bytes: &[u8]) -> Result<GuestReport, ReportError> {
    let wrong = |why: &str| ReportError::Status(text::line(why));
    let written = std::str::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))?;
    let mut lines = written.lines();
    if lines.next() != Some("larm-status 1") {
        return Err(wrong("it does not begin as one"));
    }
    let (mut seq, mut phase, mut exit_code, mut detail) = (None, None, None, None);
    let mut oom_kills = 0;
    let mut reached = BTreeMap::new();
    for (key, value) in lines.filter_map(|line| line.split_once(' ')) {
        match key {
            "seq" => seq = value.parse().ok().filter(|seq| *seq <= MAX_SEQ),
            "phase" => phase = phase_of(value),
            "at" => reached.extend(mark(value)),
            "exit" => exit_code = value.parse().ok(),
            "oom" => oom_kills = value.parse().unwrap_or_default(),
            "detail" => detail = Some(text::line(value)).filter(|detail| !detail.is_empty()),
            _ => {}
        }
    }
    Ok(GuestReport {
        seq: seq.ok_or_else(|| wrong("it has no seq"))?,
        phase: phase.ok_or_else(|| wrong("it has no phase"))?,
        reached,
        exit_code,
        detail,
        oom_kills,
        pre_job: Found::Absent,
        post_job: Found::Absent,
    })
}

fn phase_of(word: &str) -> Option<GuestPhase> {
    Some(match word {
        "preparing" => GuestPhase::Preparing,
        "ready" => GuestPhase::Ready,
        "claimed" => GuestPhase::Claimed,
        "listening" => GuestPhase::Listening,
        "busy" => GuestPhase::Busy,
        "finished" => GuestPhase::Finished,
        "failed" => GuestPhase::Failed,
        _ => return None,
    })
}

fn word_of(phase: GuestPhase) -> &'static str {
    match phase {
        GuestPhase::Preparing => "preparing",
        GuestPhase::Ready => "ready",
        GuestPhase::Claimed => "claimed",
        GuestPhase::Listening => "listening",
        GuestPhase::Busy => "busy",
        GuestPhase::Finished => "finished",
        GuestPhase::Failed => "failed",
    }
}

fn mark(value: &str) -> Option<(GuestPhase, Timestamp)> {
    let (phase, seconds) = value.split_once(' ')?;
    Some((phase_of(phase)?, timestamp(seconds)?))
}

/// Seconds since the epoch with up to nine decimals; exact, unlike by way of a float.
fn timestamp(seconds: &str) -> Option<Timestamp> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    let since = SignedDuration::new(whole.parse().ok()?, nanoseconds);
    Timestamp::from_duration(since).ok()
}

fn render_status(report: &GuestReport) -> String {
    let mut lines = vec![
        "larm-status 1".to_owned(),
        format!("seq {}", report.seq),
        format!("phase {}", word_of(report.phase)),
    ];
    for (phase, at) in &report.reached {
        let since = at.as_duration();
        let (seconds, micros) = (since.as_secs(), since.subsec_nanos().unsigned_abs() / 1000);
        lines.push(format!("at {} {seconds}.{micros:06}", word_of(*phase)));
    }
    lines.extend(report.exit_code.map(|code| format!("exit {code}")));
    lines.extend((report.oom_kills > 0).then(|| format!("oom {}", report.oom_kills)));
    lines.extend(report.detail.as_ref().map(|detail| format!("detail {}", text::line(detail))));
    lines.join("\n") + "\n"
}

fn render_file<T>(found: &Found<T>, json: impl Fn(&T) -> serde_json::Value) -> String {
    match found {
        Found::Absent => "-".to_owned(),
        Found::Corrupt(why) => format!("!{}", text::line(why)),
        Found::Present(value) => STANDARD.encode(json(value).to_string()),
    }
}

fn pre_job_json(metrics: &PreJobMetrics) -> serde_json::Value {
    serde_json::json!({
        "timestamp": metrics.timestamp,
        "workflow": metrics.workflow,
        "workflow_run_id": metrics.workflow_run_id,
        "repository": metrics.repository,
        "event": metrics.event,
    })
}

fn post_job_json(metrics: &PostJobMetrics) -> serde_json::Value {
    let status = match metrics.status {
        PostJobStatus::Normal => "normal",
        PostJobStatus::Abnormal => "abnormal",
        PostJobStatus::RepoPolicyCheckFailure => "repo-policy-check-failure",
        PostJobStatus::ExternalContributorCheckFailure => "external-contributor-check-failure",
    };
    match &metrics.status_info {
        Some(info) => serde_json::json!({
            "timestamp": metrics.timestamp, "status": status, "status_info": {"code": info.code},
        }),
        None => serde_json::json!({"timestamp": metrics.timestamp, "status": status}),
    }
}

#[cfg(test)]
#[path = "report/tests.rs"]
mod tests;
