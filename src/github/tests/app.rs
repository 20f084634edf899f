//! A GitHub App's tokens: fetched, kept, renewed, and made with a clock that is off.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wiremock::matchers::header;

use super::support::{Stage, at, on, org, repo, runners, says, status};
use crate::github::{CredentialKind, GitHubErrorKind};

const TOKENS: &str = "POST /app/installations/77/access_tokens";
const LIST: &str = "GET /repos/acme/web/actions/runners";

/// An installation's token that is good for an hour from second 1,000,000.
fn token(name: &str) -> wiremock::ResponseTemplate {
    status(201).set_body_json(json!({"token": name, "expires_at": at(1_003_600).to_string()}))
}

/// The list, for who shows this token.
async fn list_for(stage: &Stage, token: &str) {
    let shown = header("authorization", format!("Bearer {token}").as_str());
    let answer = status(200).set_body_json(runners(&[]));
    on(LIST).and(shown).respond_with(answer).mount(&stage.server).await;
}

/// What the App said of itself, in each token that it signed.
async fn claims(stage: &Stage) -> Vec<Value> {
    let requests = stage.requests().await;
    let signed = requests.iter().filter(|request| request.url.path().starts_with("/app/"));
    signed
        .map(|request| {
            let bearer = request.headers.get("authorization").unwrap().to_str().unwrap();
            let payload = bearer.strip_prefix("Bearer ").unwrap().split('.').nth(1).unwrap();
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
        })
        .collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_renewed_before_its_end() {
    let stage = Stage::app(Some(77)).await;
    stage.once(TOKENS, token("ghs_one")).await;
    list_for(&stage, "ghs_one").await;
    for _ in 0..3 {
        stage.connection.runners(&repo()).await.unwrap();
    }
    assert_eq!(stage.count("POST").await, 1);
    // Four and a half minutes before its end, so before it for a clock that is a minute slow.
    stage.pass(3600 - 270);
    let next = json!({"token": "ghs_two", "expires_at": at(1_007_200).to_string()});
    stage.answer(TOKENS, 201, next).await;
    list_for(&stage, "ghs_two").await;
    stage.connection.runners(&repo()).await.unwrap();
    assert_eq!(stage.count("POST").await, 2);
    let last = stage.requests().await.pop().unwrap();
    assert_eq!(last.headers.get("authorization").unwrap(), "Bearer ghs_two");
}

#[tokio::test]
async fn many_calls_at_once_fetch_one_token() {
    let stage = Stage::app(Some(77)).await;
    stage.mount(TOKENS, token("ghs_one")).await;
    list_for(&stage, "ghs_one").await;
    let path = repo();
    let calls = (0..6).map(|_| stage.connection.runners(&path));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(stage.count("POST").await, 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let stage = Stage::app(Some(77)).await;
    stage.once(TOKENS, token("ghs_one")).await;
    stage.once(TOKENS, token("ghs_two")).await;
    list_for(&stage, "ghs_two").await;
    stage.mount(LIST, says(401, "Bad credentials")).await;
    assert_eq!(stage.connection.runners(&repo()).await, Ok(vec![]));
    assert_eq!(stage.count("POST").await, 2);
    // Where the new one is refused too, that is told.
    let stage = Stage::app(Some(77)).await;
    stage.mount(TOKENS, token("ghs_one")).await;
    stage.mount(LIST, says(401, "Bad credentials")).await;
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::BadCredential { .. }));
    assert_eq!(stage.count("POST").await, 2);
    assert_eq!(stage.count("GET").await, 2);
}

/// GitHub takes what was issued in the past and ends within ten minutes, by its own clock.
#[tokio::test]
async fn a_clock_that_is_a_minute_off_makes_tokens_that_hold() {
    for off in [-60, 0, 60] {
        let stage = Stage::app(Some(77)).await;
        stage.pass(off);
        stage.mount(TOKENS, token("ghs_one")).await;
        list_for(&stage, "ghs_one").await;
        stage.connection.runners(&repo()).await.unwrap();
        let claims = claims(&stage).await.pop().unwrap();
        assert_eq!(claims["iss"], "Iv23liXYZ");
        let (issued, ends) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!(issued < 1_000_000, "issued at {issued}");
        assert!((1_000_060..1_000_600).contains(&ends), "ends at {ends}");
    }
}

#[tokio::test]
async fn an_installation_is_found_by_the_owner_once() {
    let stage = Stage::app(None).await;
    stage.answer("GET /repos/acme/web/installation", 200, json!({"id": 77})).await;
    stage.mount(TOKENS, token("ghs_one")).await;
    list_for(&stage, "ghs_one").await;
    stage.connection.runners(&repo()).await.unwrap();
    stage.connection.runners(&repo()).await.unwrap();
    assert_eq!(stage.count("GET /repos/acme/web/installation").await, 1);
    let error = stage.connection.runners(&"other/web".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), &GitHubErrorKind::NotInstalled);
    assert!(error.hint().unwrap().contains("install the GitHub App"));
}

#[tokio::test]
async fn an_installation_that_is_suspended_is_told() {
    let stage = Stage::app(Some(77)).await;
    stage.mount(TOKENS, says(403, "This installation has been suspended")).await;
    let error = stage.connection.runners(&org()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::Suspended { .. }));
    assert!(error.hint().unwrap().contains("unsuspend"));
}

#[tokio::test]
async fn a_key_that_the_app_does_not_have_is_told() {
    let stage = Stage::app(Some(77)).await;
    stage.mount(TOKENS, says(401, "A JSON web token could not be decoded")).await;
    let report = stage.connection.check(&repo()).await.unwrap();
    assert_eq!(report.credential, CredentialKind::Unknown);
    assert_eq!(report.findings.len(), 1);
    assert!(report.findings[0].hint.as_ref().unwrap().contains("clock"));
    assert_eq!(stage.count("POST").await, 1);
}

#[tokio::test]
async fn in_a_pause_no_token_is_fetched() {
    let stage = Stage::app(Some(77)).await;
    stage.mount(TOKENS, token("ghs_one")).await;
    stage.mount(LIST, says(429, "Slow down").insert_header("retry-after", "3600")).await;
    let first = stage.connection.runners(&repo()).await.unwrap_err();
    // The token is about to end, and the pause is not over.
    stage.pass(3400);
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_at()), (first.kind(), Some(at(1_003_600))));
    assert_eq!(stage.count("POST").await, 1);
}
