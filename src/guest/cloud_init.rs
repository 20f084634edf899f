//! `cloud-init status`, understood: cloud-init 22.4 to 25, JSON and plain text, exit codes 0, 1
//! and 2 (cloud-init documentation, "Reported statuses" and "CLI commands").
//!
//! The exit code alone tells nothing but 1 (error) and 2 (recoverable errors); "not run" of older
//! versions is "not started" of newer ones, and only newer ones know "degraded", as a word before
//! the base state in `extended_status`.

use serde::Deserialize;
use serde_json::Value;

use super::text;
use crate::model::{CloudInitReading, CloudInitStatus};

/// Why there is no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudInitError {
    /// The command is not there.
    #[error("cloud-init is not installed in the guest")]
    Missing,
    /// It printed nothing that names a status.
    #[error("cloud-init status printed nothing that can be understood (exit code {0})")]
    Unintelligible(i32),
}

/// The top level of the JSON; all other keys differ by version and are ignored.
#[derive(Deserialize)]
struct Printed {
    status: String,
    #[serde(default)]
    extended_status: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    errors: Vec<Value>,
    #[serde(default)]
    recoverable_errors: Value,
}

/// Understands what `cloud-init status` printed and returned.
pub fn parse(code: i32, output: &[u8]) -> Result<CloudInitReading, CloudInitError> {
    if matches!(code, 126 | 127) {
        return Err(CloudInitError::Missing);
    }
    let text = String::from_utf8_lossy(output);
    from_json(code, &text)
        .or_else(|| from_text(code, &text))
        .ok_or(CloudInitError::Unintelligible(code))
}

fn from_json(code: i32, text: &str) -> Option<CloudInitReading> {
    let printed: Printed = serde_json::from_str(text).ok()?;
    let detail = printed.detail.as_deref();
    let first = printed.errors.first().map(words);
    let error = first.as_deref().or(detail).map(str::to_owned);
    let recoverable = first_recoverable(&printed.recoverable_errors);
    reading(code, &printed.status, printed.extended_status.as_deref(), error, recoverable)
}

/// `status: running`, and with `--long` also `extended_status: degraded running`, and `detail:`
/// with the text on the same or on the next line.
fn from_text(code: i32, text: &str) -> Option<CloudInitReading> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let mut after = text.lines().skip_while(|line| !line.starts_with("detail:")).skip(1);
    let detail = field("detail").filter(|detail| !detail.is_empty()).or_else(|| after.next());
    reading(code, field("status")?, field("extended_status"), detail.map(str::to_owned), None)
}

fn reading(
    code: i32,
    status: &str,
    extended: Option<&str>,
    error: Option<String>,
    recoverable: Option<String>,
) -> Option<CloudInitReading> {
    let degraded = code == 2
        || status.contains("degraded")
        || extended.is_some_and(|extended| extended.contains("degraded"));
    let base = status.trim().trim_start_matches("degraded").trim();
    let mut status = match base {
        "not run" | "not started" => CloudInitStatus::NotStarted,
        "running" => CloudInitStatus::Running,
        "done" => CloudInitStatus::Done,
        "error" => CloudInitStatus::Error,
        "" if degraded => CloudInitStatus::Degraded,
        base if base.starts_with("disabled") => CloudInitStatus::Disabled,
        _ => return None,
    };
    // An error of an early stage shows as exit code 1 while later stages still run.
    if code == 1 && status != CloudInitStatus::Disabled {
        status = CloudInitStatus::Error;
    }
    let detail = match status {
        CloudInitStatus::Error | CloudInitStatus::Disabled => error,
        CloudInitStatus::NotStarted
        | CloudInitStatus::Running
        | CloudInitStatus::Done
        | CloudInitStatus::Degraded => recoverable.filter(|_| degraded),
    };
    let detail = detail.map(|detail| text::line(&detail)).filter(|detail| !detail.is_empty());
    Some(CloudInitReading { status, degraded, detail })
}

/// `{"WARNING": ["...", ...], ...}`: the first words of the first kind.
fn first_recoverable(errors: &Value) -> Option<String> {
    errors.as_object()?.values().find_map(|kind| kind.as_array()?.first()).map(words)
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
#[path = "cloud_init/tests.rs"]
mod tests;
