//! The metrics files of the hooks, read as hostile input: the job may write whatever it likes there.
//!
//! The third file, `runner-installed.timestamp`, is for tools inside the guest: the host takes
//! that time from the status, which the job cannot write.

use serde::Deserialize;

use super::text;
use crate::model::{Found, PostJobMetrics, PostJobStatus, PreJobMetrics, StatusInfo};

/// The largest metrics file that is read, in bytes.
pub const FILE_CAP: usize = 1024;

/// Reads `pre-job-metrics.json`.
pub fn pre_job(bytes: &[u8]) -> Found<PreJobMetrics> {
    let read = || {
        let written: PreJob = json(bytes)?;
        timestamp(written.timestamp)?;
        repository(&written.repository)?;
        Ok(PreJobMetrics {
            timestamp: written.timestamp,
            workflow: written.workflow,
            workflow_run_id: written.workflow_run_id,
            repository: written.repository,
            event: written.event,
        })
    };
    found(read())
}

/// Reads `post-job-metrics.json`.
pub fn post_job(bytes: &[u8]) -> Found<PostJobMetrics> {
    let read = || {
        let written: PostJob = json(bytes)?;
        timestamp(written.timestamp)?;
        let status_info = written.status_info.map(|info| StatusInfo { code: info.code });
        Ok(PostJobMetrics { timestamp: written.timestamp, status: written.status, status_info })
    };
    found(read())
}

#[derive(Deserialize)]
struct PreJob {
    timestamp: f64,
    workflow: String,
    workflow_run_id: String,
    repository: String,
    event: String,
}

#[derive(Deserialize)]
struct PostJob {
    timestamp: f64,
    status: PostJobStatus,
    status_info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    code: i64,
}

fn found<T>(read: Result<T, String>) -> Found<T> {
    read.map_or_else(|why| Found::Corrupt(text::line(&why)), Found::Present)
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > FILE_CAP {
        return Err(format!("larger than {FILE_CAP} bytes"));
    }
    std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

/// `serde_json` refuses what JSON has no word for (`NaN`), what no `f64` holds (`1e400`), and more
/// than 128 levels.
fn json<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, String> {
    let text = utf8(bytes)?;
    // serde would take an array for a struct.
    if !text.trim_start().starts_with('{') {
        return Err("no JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn timestamp(seconds: f64) -> Result<(), String> {
    if seconds.is_finite() && seconds >= 0.0 {
        Ok(())
    } else {
        Err("the timestamp is negative or not finite".to_owned())
    }
}

/// `^.+/.+$`, on one line.
fn repository(name: &str) -> Result<(), String> {
    let parts = name.char_indices().filter(|(_, c)| *c == '/');
    let inside = parts.into_iter().any(|(at, _)| at > 0 && at + 1 < name.len());
    if inside && !name.contains('\n') {
        Ok(())
    } else {
        Err("the repository is not OWNER/REPOSITORY".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn corrupt<T: std::fmt::Debug>(found: &Found<T>) -> bool {
        matches!(found, Found::Corrupt(_))
    }

    fn pre(timestamp: &str, repository: &str) -> Vec<u8> {
        format!(
            r#"{{"timestamp":{timestamp},"workflow":"w","workflow_run_id":"1","repository":{repository},"event":"push"}}"#
        )
        .into_bytes()
    }

    #[test]
    fn what_the_guest_script_writes_is_read() {
        let read = pre_job(&pre("1795477179.5", r#""acme/web""#));
        let read = read.present().unwrap();
        assert_eq!((read.timestamp, read.repository.as_str()), (1_795_477_179.5, "acme/web"));
        assert_eq!(
            post_job(br#"{"timestamp":2,"status":"abnormal","status_info":{"code":137}}"#),
            Found::Present(PostJobMetrics {
                timestamp: 2.0,
                status: PostJobStatus::Abnormal,
                status_info: Some(StatusInfo { code: 137 }),
            })
        );
        for status in ["normal", "repo-policy-check-failure", "external-contributor-check-failure"]
        {
            let text = format!(r#"{{"timestamp":2,"status":"{status}"}}"#);
            assert!(post_job(text.as_bytes()).present().is_some(), "{status}");
        }
    }

    #[test]
    fn what_a_hostile_job_writes_is_corrupt_and_nothing_worse() {
        let deep = [b'['; 1000];
        let big = vec![b' '; FILE_CAP + 1];
        for bytes in [
            &b""[..],
            b"\xff\xfe",
            b"null",
            b"[]",
            b"7",
            b"{}",
            b"[1,\"w\",\"1\",\"a/b\",\"e\"]",
            &deep,
            &big,
        ] {
            assert!(corrupt(&pre_job(bytes)), "{bytes:?}");
            assert!(corrupt(&post_job(bytes)), "{bytes:?}");
        }
        for number in ["NaN", "Infinity", "1e400", "-1", "\"1\"", "null", "-1e400"] {
            assert!(corrupt(&pre_job(&pre(number, r#""a/b""#))), "{number}");
        }
        for name in [r#""""#, r#""a""#, r#""/a""#, r#""a/""#, r#""/""#, r#""a/b\nc""#, "null", "1"]
        {
            assert!(corrupt(&pre_job(&pre("1", name))), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            pre_job(&bytes);
            post_job(&bytes);
        }
    }
}
