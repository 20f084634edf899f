//! The runner application, deliveries that failed, and the check of a credential.

use serde_json::{Value, json};
use wiremock::matchers::{query_param, query_param_is_missing};

use super::support::{Stage, at, groups, on, org, repo, runners, says, status};
use crate::github::{CredentialKind, Outcome, Report};
use crate::model::Deprecation;

const HOOKS: &str = "GET /repos/acme/web/hooks";

#[tokio::test]
async fn downloads_come_with_version_and_checksum() {
    let stage = Stage::new().await;
    let build = |file: &str, sum: Value| {
        json!({"os": "linux", "architecture": "x64", "filename": file, "sha256_checksum": sum,
               "download_url": format!("https://github.com/d/{file}"), "temp_download_token": "x"})
    };
    let sum = "A".repeat(64);
    let body = json!([
        build("actions-runner-linux-x64-2.335.1.tar.gz", json!(sum)),
        build("actions-runner-linux-x64-2.335.0.tar.gz", json!("no sum")),
        build("../actions-runner-linux-x64-2.335.0.tar.gz", Value::Null),
    ]);
    stage.answer("GET /repos/acme/web/actions/runners/downloads", 200, body).await;
    let found = stage.connection.downloads(&repo()).await.unwrap();
    let versions: Vec<_> = found.iter().map(|build| &*build.version).collect();
    assert_eq!(versions, ["2.335.1", "2.335.0"]);
    assert_eq!(found[0].sha256, Some("a".repeat(64)));
    assert_eq!(found[1].sha256, None);
    assert_eq!(found[0].url, "https://github.com/d/actions-runner-linux-x64-2.335.1.tar.gz");
}

#[tokio::test]
async fn the_end_of_a_version_is_read_and_never_computed() {
    let stage = Stage::new().await;
    let place = |version: &str| format!("GET /orgs/acme/actions/runners/deprecations/{version}");
    let dated = json!({"runner_version": "2.336.0", "runtime_deprecates_at": at(5).to_string()});
    stage.answer(&place("2.336.0"), 200, dated).await;
    let open = json!({"runner_version": "2.337.0", "runtime_deprecates_at": null});
    stage.answer(&place("2.337.0"), 200, open).await;
    let of = |version: &str, runtime_ends, too_old| {
        Some(Deprecation { version: version.to_owned(), runtime_ends, too_old })
    };
    let connection = &stage.connection;
    let target = org();
    let asked = async |version| connection.deprecation(&target, version).await.unwrap();
    assert_eq!(asked("2.336.0").await, of("2.336.0", Some(at(5)), false));
    assert_eq!(asked("2.337.0").await, of("2.337.0", None, false));
    assert_eq!(asked("2.328.0").await, of("2.328.0", None, true));
    assert_eq!(asked("2.999.0").await, None);
    let server = Stage::ghes().await;
    assert_eq!(server.connection.deprecation(&org(), "2.328.0").await, Ok(None));
}

/// One attempt at a delivery, as GitHub lists it.
fn attempt(id: u64, guid: &str, second: i64, code: u16) -> Value {
    json!({"id": id, "guid": guid, "delivered_at": at(second).to_string(), "redelivery": false,
           "duration": 0.2, "status": "x", "status_code": code, "event": "workflow_job",
           "action": "queued", "installation_id": null, "repository_id": 1})
}

#[tokio::test]
async fn deliveries_that_never_arrived_are_found_and_asked_for_again() {
    let stage = Stage::new().await;
    let hook = |id: u64, url: &str| json!({"id": id, "config": {"url": url}});
    let hooks = json!([hook(1, "https://other.example"), hook(2, "https://farm.example/hook/")]);
    stage.answer(HOOKS, 200, hooks).await;
    let mut ping = attempt(90, "ping", 90, 500);
    ping["event"] = json!("ping");
    // The newest first: "b" arrived at the second attempt, "c" failed twice.
    let first = json!([attempt(13, "c", 80, 502), attempt(12, "b", 70, 200), ping]);
    let second = json!([
        attempt(11, "c", 60, 0),
        attempt(10, "b", 50, 500),
        attempt(9, "a", 40, 500),
        attempt(8, "old", 9, 500)
    ]);
    let next = r#"<https://elsewhere.example/x?per_page=100&cursor=v1_9>; rel="next""#;
    let place = format!("{HOOKS}/2/deliveries");
    let answer = status(200).set_body_json(first).insert_header("link", next);
    on(&place)
        .and(query_param_is_missing("cursor"))
        .respond_with(answer)
        .mount(&stage.server)
        .await;
    let answer = status(200).set_body_json(second).insert_header("link", next);
    on(&place).and(query_param("cursor", "v1_9")).respond_with(answer).mount(&stage.server).await;
    let url = "https://farm.example/hook";
    let failed = stage.connection.failed_deliveries(&repo(), url, at(10)).await.unwrap();
    let seen: Vec<_> =
        failed.iter().map(|one| (&*one.guid, one.status_code, one.attempts)).collect();
    assert_eq!(seen, [("a", 500, 1), ("c", 502, 2)]);
    let again = "POST /repos/acme/web/hooks/2/deliveries/13/attempts";
    stage.mount(again, status(202)).await;
    stage.connection.redeliver(&repo(), &failed[1]).await.unwrap();
    assert_eq!(stage.count(again).await, 1);
    stage.mount("POST /repos/acme/web/hooks/2/deliveries/9/attempts", says(404, "Not Found")).await;
    let error = stage.connection.redeliver(&repo(), &failed[0]).await.unwrap_err();
    assert!(error.hint().unwrap().contains("`admin:repo_hook`"));
}

#[tokio::test]
async fn an_app_looks_at_its_own_webhook() {
    let stage = Stage::app(Some(77)).await;
    stage.answer("GET /app/hook/config", 200, json!({"url": "https://farm.example/hook"})).await;
    stage.answer("GET /app/hook/deliveries", 200, json!([attempt(1, "a", 40, 500)])).await;
    stage.mount("POST /app/hook/deliveries/1/attempts", status(202)).await;
    let url = "https://farm.example/hook";
    let failed = stage.connection.failed_deliveries(&repo(), url, at(10)).await.unwrap();
    stage.connection.redeliver(&repo(), &failed[0]).await.unwrap();
    assert_eq!(stage.asked().await.len(), 3, "no installation's token is needed");
}

fn findings(report: &Report) -> Vec<(&str, Outcome)> {
    report.findings.iter().map(|finding| (finding.subject, finding.outcome)).collect()
}

/// A repository's answers where all is good.
async fn good_repository(stage: &Stage, scopes: Option<&str>) {
    let mut limits = status(200).set_body_json(json!({"resources": {}}));
    if let Some(scopes) = scopes {
        limits = limits.insert_header("x-oauth-scopes", scopes);
    }
    stage.mount("GET /rate_limit", limits).await;
    let target = json!({"full_name": "acme/web", "private": true, "permissions": {"admin": true}});
    stage.answer("GET /repos/acme/web", 200, target).await;
    stage.answer("GET /repos/acme/web/actions/runners", 200, runners(&[])).await;
    let token = json!({"token": "AAAA", "expires_at": at(5).to_string()});
    stage.answer("POST /repos/acme/web/actions/runners/registration-token", 201, token).await;
    let runs = json!({"total_count": 0, "workflow_runs": []});
    stage.answer("GET /repos/acme/web/actions/runs", 200, runs).await;
}

#[tokio::test]
async fn a_good_credential_is_said_to_be_good() {
    let stage = Stage::new().await;
    good_repository(&stage, Some("repo, workflow")).await;
    let report = stage.connection.check(&repo()).await.unwrap();
    let scopes = vec!["repo".to_owned(), "workflow".to_owned()];
    assert_eq!(report.credential, CredentialKind::Classic { scopes });
    let good = ["credential", "target", "runners", "polling"].map(|one| (one, Outcome::Good));
    assert_eq!(findings(&report), good);
    assert_eq!(report.outcome(), Outcome::Good);
    assert_eq!(stage.count("POST").await, 1, "the registration token");
}

#[tokio::test]
async fn a_classic_token_without_the_scope_is_told_which() {
    let stage = Stage::new().await;
    good_repository(&stage, Some("gist")).await;
    let report = stage.connection.check(&repo()).await.unwrap();
    assert_eq!(report.outcome(), Outcome::Warning);
    assert!(report.findings[0].hint.as_ref().unwrap().contains("scope `repo`"));
}

#[tokio::test]
async fn a_closed_runner_group_and_missing_polling_are_warned_of() {
    let stage = Stage::new().await;
    stage.mount("GET /rate_limit", says(404, "Rate limiting is not enabled.")).await;
    stage.answer("GET /orgs/acme", 200, json!({"login": "acme"})).await;
    stage.answer("GET /orgs/acme/actions/runners", 200, runners(&[])).await;
    let token = json!({"token": "AAAA", "expires_at": at(5).to_string()});
    stage.answer("POST /orgs/acme/actions/runners/registration-token", 201, token).await;
    stage.answer("GET /orgs/acme/actions/runner-groups", 200, groups()).await;
    stage.answer("GET /orgs/acme/repos", 200, json!([{"full_name": "acme/web"}])).await;
    stage.mount("GET /repos/acme/web/actions/runs", says(403, "Resource not accessible")).await;
    let report = stage.connection.check(&org().with_group("closed")).await.unwrap();
    assert_eq!(report.credential, CredentialKind::Unknown);
    let wanted = [
        ("credential", Outcome::Good),
        ("target", Outcome::Good),
        ("runners", Outcome::Good),
        ("runner group", Outcome::Warning),
        ("polling", Outcome::Warning),
    ];
    assert_eq!(findings(&report), wanted);
    let hint = |n: usize| report.findings[n].hint.clone().unwrap();
    assert!(hint(3).contains("public repositories"), "{}", hint(3));
    assert!(hint(4).contains("\"Actions: read\""), "{}", hint(4));
    let report = stage.connection.check(&org().with_group("nowhere")).await.unwrap();
    assert_eq!(findings(&report)[3], ("runner group", Outcome::Bad));
}

#[tokio::test]
async fn looking_ends_where_it_makes_no_more_sense() {
    let stage = Stage::new().await;
    stage.mount("GET /rate_limit", says(401, "Bad credentials")).await;
    let report = stage.connection.check(&repo()).await.unwrap();
    assert_eq!(findings(&report), [("credential", Outcome::Bad)]);
    let stage = Stage::new().await;
    stage.mount("GET /rate_limit", status(200).set_body_json(json!({}))).await;
    let report = stage.connection.check(&repo()).await.unwrap();
    assert_eq!(findings(&report), [("credential", Outcome::Good), ("target", Outcome::Bad)]);
    assert!(report.findings[1].hint.as_ref().unwrap().contains("spelling"));
    let stage = Stage::new().await;
    stage.mount("GET /rate_limit", status(503).insert_header("retry-after", "5")).await;
    assert!(stage.connection.check(&repo()).await.unwrap_err().is_transient());
}
