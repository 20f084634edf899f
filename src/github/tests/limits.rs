//! Retries, the budget, pauses and tags.

use std::time::Duration;

use serde_json::json;
use wiremock::ResponseTemplate;
use wiremock::matchers::header;

use super::support::{Stage, at, on, repo, runner, runners, says, status};
use crate::github::{Deletion, GitHubErrorKind};

const LIST: &str = "GET /repos/acme/web/actions/runners";
const ONE: &str = "/repos/acme/web/actions/runners/1";

/// An answer that says how much of the budget is left.
fn left(template: ResponseTemplate, remaining: u64) -> ResponseTemplate {
    template
        .insert_header("x-ratelimit-limit", "5000")
        .insert_header("x-ratelimit-remaining", remaining.to_string())
        .insert_header("x-ratelimit-reset", "1000600")
        .insert_header("x-ratelimit-resource", "core")
}

#[tokio::test]
async fn a_look_is_repeated_when_github_fails() {
    let stage = Stage::new().await;
    stage.once(LIST, status(500)).await;
    stage.once(LIST, status(502)).await;
    stage.answer(LIST, 200, runners(&[])).await;
    assert_eq!(stage.connection.runners(&repo()).await, Ok(vec![]));
    assert_eq!(stage.count("GET").await, 3);
}

#[tokio::test]
async fn a_removal_is_repeated_and_a_registration_token_is_not() {
    let stage = Stage::new().await;
    stage.once(&format!("DELETE {ONE}"), status(503)).await;
    stage.mount(&format!("DELETE {ONE}"), status(204)).await;
    assert_eq!(stage.connection.delete_runner(&repo(), 1).await, Ok(Deletion::Deleted));
    stage.mount("POST /repos/acme/web/actions/runners/registration-token", status(500)).await;
    let error = stage.connection.registration_token(&repo()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::Server { status: 500, .. }));
    assert_eq!(stage.count("POST").await, 1);
}

#[tokio::test]
async fn github_that_fails_on_and_on_is_given_up() {
    let stage = Stage::new().await;
    stage.mount(LIST, says(500, "Server Error")).await;
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(stage.count("GET").await, 3);
    // A time that GitHub names is not waited for here.
    stage.server.reset().await;
    stage.mount(LIST, status(503).insert_header("retry-after", "30")).await;
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert_eq!(error.retry_at(), Some(at(1_000_030)));
    assert_eq!(stage.count("GET").await, 1);
}

#[tokio::test]
async fn an_unchanged_list_is_not_sent_again() {
    let stage = Stage::new().await;
    let tagged = status(200).insert_header("etag", "W/\"abc\"");
    let tagged = tagged.set_body_json(runners(&[runner(1, "larm-1", "online", false)]));
    stage.once(LIST, tagged).await;
    let unchanged = on(LIST).and(header("if-none-match", "W/\"abc\""));
    unchanged.respond_with(status(304)).mount(&stage.server).await;
    let first = stage.connection.runners(&repo()).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(stage.connection.runners(&repo()).await.unwrap(), first);
    assert_eq!(stage.connection.runners(&repo()).await.unwrap(), first);
}

#[tokio::test]
async fn the_reserve_is_for_removals() {
    let stage = Stage::new().await;
    stage.mount(LIST, left(status(200).set_body_json(runners(&[])), 100)).await;
    stage.mount(&format!("DELETE {ONE}"), left(status(204), 99)).await;
    stage.connection.runners(&repo()).await.unwrap();
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert_eq!(error.kind(), &GitHubErrorKind::BudgetSpent { until: at(1_000_600) });
    assert_eq!(error.retry_at(), Some(at(1_000_600)));
    let error = stage.connection.registration_token(&repo()).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(stage.connection.delete_runner(&repo(), 1).await, Ok(Deletion::Deleted));
    let budget = stage.connection.budget();
    assert_eq!((budget.limit, budget.remaining), (5000, 99));
    assert_eq!(budget.resets_at, Some(at(1_000_600)));
    assert_eq!(stage.count("GET").await, 1);
    assert_eq!(stage.count("POST").await, 0);
    stage.pass(601);
    stage.connection.runners(&repo()).await.unwrap();
}

#[tokio::test]
async fn a_spent_budget_is_known_from_the_refusal() {
    let stage = Stage::new().await;
    let words = "API rate limit exceeded for user ID 1.";
    stage.mount(LIST, left(says(403, words), 0)).await;
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert_eq!(error.kind(), &GitHubErrorKind::BudgetSpent { until: at(1_000_600) });
}

#[tokio::test]
async fn a_secondary_rate_limit_pauses_all_but_removals() {
    let words = "You have exceeded a secondary rate limit. Please wait a few minutes.";
    let cases = [
        (says(403, words).insert_header("retry-after", "90"), 90),
        (says(429, "Too many requests").insert_header("retry-after", "90"), 90),
        (says(403, words), 60),
        (says(403, words).insert_header("retry-after", "9999999"), 3600),
    ];
    for (refusal, seconds) in cases {
        let stage = Stage::new().await;
        stage.once(LIST, refusal).await;
        stage.answer(LIST, 200, runners(&[])).await;
        stage.mount(&format!("DELETE {ONE}"), status(204)).await;
        let until = at(1_000_000 + seconds);
        for _ in 0..3 {
            let error = stage.connection.runners(&repo()).await.unwrap_err();
            assert_eq!(error.kind(), &GitHubErrorKind::Paused { until });
            assert_eq!(error.retry_at(), Some(until));
        }
        assert_eq!(stage.count("GET").await, 1);
        assert_eq!(stage.connection.budget().paused_until, Some(until));
        assert_eq!(stage.connection.delete_runner(&repo(), 1).await, Ok(Deletion::Deleted));
        stage.pass(seconds);
        stage.connection.runners(&repo()).await.unwrap();
    }
}

#[tokio::test]
async fn github_that_does_not_answer_is_not_waited_for() {
    let stage = Stage::impatient(Duration::from_millis(200)).await;
    let slow = status(201).set_delay(Duration::from_mins(1)).set_body_json(json!({"token": "x"}));
    stage.mount("POST /repos/acme/web/actions/runners/remove-token", slow).await;
    let error = stage.connection.remove_token(&repo()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::TimedOut { .. }), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_kept_and_not_asked_for_again() {
    let stage = Stage::new().await;
    let large = status(200).set_body_bytes(vec![b' '; (16 << 20) + 1]);
    stage.mount(LIST, large).await;
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::Malformed { .. }), "{error}");
    assert_eq!(stage.count("GET").await, 1);
}

#[tokio::test]
async fn a_list_without_an_end_is_given_up() {
    let stage = Stage::new().await;
    let mut page: Vec<_> = (0..100).map(|id| runner(id, "r", "online", false)).collect();
    page[0]["os"] = "x".repeat(10 << 20).into();
    let endless = json!({"total_count": 1_000_000, "runners": page});
    stage.answer(LIST, 200, endless).await;
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::Malformed { .. }), "{error}");
    assert_eq!(stage.count("GET").await, 7);
}

#[tokio::test]
async fn a_credential_is_not_led_on_to_another_host() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let elsewhere = format!("{}/elsewhere", other.server.uri());
    stage.mount(LIST, status(307).insert_header("location", elsewhere)).await;
    other.answer("GET /elsewhere", 200, runners(&[])).await;
    // Whatever comes of it.
    drop(stage.connection.runners(&repo()).await);
    let led = other.requests().await;
    assert_eq!(led.len(), 1);
    for request in led {
        assert!(!request.headers.contains_key("authorization"), "{request:?}");
    }
}
