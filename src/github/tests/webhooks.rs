//! Webhooks: signatures, and bodies of every kind.

use serde_json::{Value, json};

use super::support::{job, secret};
use crate::github::{Delivery, WebhookError, parse, verify};
use crate::model::JobState;

/// The example of GitHub's documentation, "Validating webhook deliveries".
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn only_what_was_signed_with_the_secret_is_accepted() {
    assert_eq!(verify(&secret(SECRET), SIGNATURE, BODY), Ok(()));
    let wrong = Err(WebhookError::Signature);
    assert_eq!(verify(&secret("another"), SIGNATURE, BODY), wrong);
    assert_eq!(verify(&secret(SECRET), SIGNATURE, b"Hello, world!"), wrong);
    let of_nothing = "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
    assert_eq!(verify(&secret(""), of_nothing, b""), wrong, "an empty secret is none");
    let bare = SIGNATURE.trim_start_matches("sha256=");
    let short = SIGNATURE.trim_end_matches("17");
    for header in ["", "sha256=", "sha256=zz", "sha1=00", bare, short] {
        assert_eq!(verify(&secret(SECRET), header, BODY), wrong, "{header}");
    }
}

fn event(action: &str, status: &str) -> Value {
    json!({
        "action": action, "workflow_job": job(5, status), "sender": {"login": "me"},
        "repository": {"id": 1, "full_name": "acme/web"}, "installation": {"id": 77},
    })
}

fn read(body: &Value) -> Result<Delivery, WebhookError> {
    parse("workflow_job", body.to_string().as_bytes())
}

#[test]
fn a_job_is_as_far_as_the_action_says() {
    for (action, status, state) in [
        ("queued", "queued", JobState::Queued),
        ("in_progress", "queued", JobState::InProgress),
        ("in_progress", "in_progress", JobState::InProgress),
        ("completed", "completed", JobState::Completed),
    ] {
        let Ok(Delivery::Job { sighting, installation }) = read(&event(action, status)) else {
            panic!("{action} is no job")
        };
        assert_eq!((sighting.state, installation), (state, Some(77)));
        assert_eq!((sighting.id, &*sighting.repository), (5, "acme/web"));
        assert_eq!(sighting.runner, None, "an empty name is none");
    }
}

#[test]
fn what_waits_for_an_approval_is_not_queued() {
    assert_eq!(read(&event("waiting", "waiting")), Ok(Delivery::Waiting));
    assert_eq!(read(&event("queued", "waiting")), Ok(Delivery::Waiting));
}

#[test]
fn other_deliveries_are_told_apart() {
    assert_eq!(parse("ping", b"{\"zen\": 1}"), Ok(Delivery::Ping));
    assert_eq!(parse("pu\nsh", b"no JSON"), Ok(Delivery::Other("pu sh".to_owned())));
    let later = Delivery::Other("workflow_job.frozen".to_owned());
    assert_eq!(read(&event("frozen", "queued")), Ok(later));
}

#[test]
fn a_hostile_body_is_refused_or_cut() {
    let malformed = Err(WebhookError::Malformed);
    for body in ["", "{", "[]", "null", "{\"action\": \"queued\"}"] {
        assert_eq!(parse("workflow_job", body.as_bytes()), malformed, "{body}");
    }
    assert_eq!(parse("workflow_job", &[0xff, 0xfe]), malformed);
    let deep = "[".repeat(100_000);
    assert_eq!(parse("workflow_job", deep.as_bytes()), malformed);
    for name in ["acme", "../web", "acme/../x", "a b/c", "acme/web?x"] {
        let mut body = event("queued", "queued");
        body["repository"]["full_name"] = json!(name);
        assert_eq!(read(&body), malformed, "{name}");
    }
    for (field, value) in [("id", json!(-1)), ("created_at", json!("never")), ("labels", json!(1))]
    {
        let mut body = event("queued", "queued");
        body["workflow_job"][field] = value;
        assert_eq!(read(&body), malformed, "{field}");
    }
    let mut body = event("queued", "queued");
    body["workflow_job"]["name"] = json!("x\u{1b}[2J".repeat(10_000));
    body["workflow_job"]["labels"] = json!(vec!["l"; 10_000]);
    let Ok(Delivery::Job { sighting, .. }) = read(&body) else { panic!("it is a job") };
    assert!(sighting.name.chars().count() <= 256 && !sighting.name.contains(char::is_control));
    assert_eq!(sighting.labels.len(), 100);
    body["workflow_job"]["labels"] = Value::Null;
    assert!(read(&body).is_ok());
}
