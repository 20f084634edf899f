//! Strict parsing, and which runner is meant.

use std::sync::Arc;

use axum::body::Body as HttpBody;

use super::*;
use crate::http::types::{CreateRequest, CredentialBody, DeleteRequest};
use crate::model::{CloudRunnerState, InstanceType, Record, Spec};

fn record(name: &str, phase: Phase) -> Record {
    let spec = Spec::new("default", "i", InstanceType::Container);
    let mut record =
        Record::planned(name.parse().unwrap(), spec, false, jiff::Timestamp::UNIX_EPOCH);
    record.phase = phase;
    record
}

fn view(runners: &[(&str, Phase)]) -> View {
    let runners = runners
        .iter()
        .map(|(name, phase)| record(name, *phase))
        .map(|record| (record.id().clone(), Arc::new(record)))
        .collect();
    View { runners, ..View::default() }
}

async fn body<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    let request = Request::new(HttpBody::from(text.to_owned()));
    Body::from_request(request, &()).await.map(|Body(value)| value)
}

#[test]
fn a_runner_is_found_by_id_beginning_or_name() {
    let view = view(&[
        ("larm-aa0000000001", Phase::Busy),
        ("larm-ab0000000002", Phase::Standby),
        ("larm-ab0000000003", Phase::Gone),
        ("larm-ac0000000004", Phase::Gone),
        ("larm-b00000000005", Phase::Busy),
        ("larm-b00000000006", Phase::Busy),
    ]);
    for (text, id) in [
        ("aa0000000001", "aa0000000001"),
        ("larm-aa0000000001", "aa0000000001"),
        ("aa", "aa0000000001"),
        ("ab", "ab0000000002"),
        ("ab0000000003", "ab0000000003"),
        ("ac", "ac0000000004"),
    ] {
        assert_eq!(find(&view, text).unwrap().as_str(), id, "{text}");
    }
    for (text, kind) in [
        ("", ErrorKind::NotFound),
        ("c", ErrorKind::NotFound),
        ("larm-c00000000001", ErrorKind::NotFound),
        ("a", ErrorKind::BadRequest),
        ("b", ErrorKind::BadRequest),
    ] {
        assert_eq!(find(&view, text).unwrap_err().info().kind, kind, "{text}");
    }
    assert_eq!(find_or_past(&view, "larm-c00000000001").unwrap().as_str(), "c00000000001");
}

#[tokio::test]
async fn bodies_are_strict_and_errors_repeat_no_secret() {
    assert!(!body::<DeleteRequest>("").await.unwrap().force);
    let jit = body::<CreateRequest>(r#"{"credential":{"jit-config":"S3CRET"}}"#).await.unwrap();
    assert!(matches!(jit.credential, Some(CredentialBody::JitConfig(_))));
    for (text, says) in [
        ("{", "EOF"),
        (r#"{"forse":true}"#, "unknown field `forse`"),
        (r#"{"credential":"S3CRET"}"#, "line 1"),
        (r#"{"credential":{"jit-config":["S3CRET"]}}"#, "line 1"),
        (r#"{"credential":{"registration-token":{"token":"S3CRET"}}}"#, "missing field `github`"),
    ] {
        let error = body::<CreateRequest>(text).await.unwrap_err();
        let message = &error.info().message;
        assert!(message.contains(says) && !message.contains("S3CRET"), "{text}: {message}");
    }
}

#[test]
fn words_and_waits_are_checked() {
    let states: Vec<CloudRunnerState> = words("state", "active, stopped").unwrap();
    assert_eq!(states, [CloudRunnerState::Active, CloudRunnerState::Stopped]);
    let wrong = words::<CloudRunnerState>("state", "asleep").unwrap_err();
    assert!(wrong.info().message.contains("unknown variant `asleep`, expected one of `created`"));
    assert_eq!(wait_limit(Some(1e9), Duration::ZERO).unwrap(), LONGEST_WAIT);
    for wrong in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(wait_limit(Some(wrong), Duration::ZERO).is_err());
    }
}
