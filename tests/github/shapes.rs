//! The forms of answers, read by structures that name every documented field that we use.

use larm::smoke::standin::JobSpec;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::{Hub, header, job, message};

/// A field that must be there and may be null.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Option::deserialize(source)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Runners {
    total_count: u64,
    runners: Vec<Runner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that a field is there is what is tested")]
struct Runner {
    id: u64,
    runner_group_id: u64,
    name: String,
    os: String,
    status: String,
    busy: bool,
    ephemeral: bool,
    #[serde(deserialize_with = "present")]
    version: Option<Value>,
    labels: Vec<Label>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that a field is there is what is tested")]
struct Label {
    id: u64,
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jit {
    runner: Runner,
    encoded_jit_config: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Groups {
    total_count: u64,
    runner_groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    id: u64,
    name: String,
    visibility: String,
    default: bool,
    allows_public_repositories: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jobs {
    total_count: u64,
    jobs: Vec<Job>,
}

/// All that github documents of a job, in the REST API and in webhooks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that a field is there is what is tested")]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) run_id: u64,
    run_url: String,
    run_attempt: u64,
    node_id: String,
    head_sha: String,
    head_branch: String,
    url: String,
    html_url: String,
    pub(crate) status: String,
    #[serde(deserialize_with = "present")]
    pub(crate) conclusion: Option<Value>,
    created_at: jiff::Timestamp,
    started_at: jiff::Timestamp,
    #[serde(deserialize_with = "present")]
    completed_at: Option<Value>,
    name: String,
    steps: Vec<Value>,
    check_run_url: String,
    pub(crate) labels: Vec<String>,
    #[serde(deserialize_with = "present")]
    runner_id: Option<Value>,
    #[serde(deserialize_with = "present")]
    pub(crate) runner_name: Option<Value>,
    #[serde(deserialize_with = "present")]
    runner_group_id: Option<Value>,
    #[serde(deserialize_with = "present")]
    runner_group_name: Option<Value>,
    workflow_name: String,
}

#[derive(Debug, Deserialize)]
struct Runs {
    total_count: u64,
    workflow_runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Run {
    id: u64,
    run_attempt: u64,
    status: String,
    head_sha: String,
    created_at: jiff::Timestamp,
    updated_at: jiff::Timestamp,
}

#[tokio::test]
async fn runners_belong_to_their_place() {
    let hub = Hub::open().await;
    let made = hub.jit("orgs/acme", "one", &["self-hosted", "Big"]).await;
    assert_eq!(made.status(), 201);
    let made: Jit = made.json().await.unwrap();
    assert!(!made.encoded_jit_config.is_empty());
    let labels: Vec<&str> = made.runner.labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(labels, ["self-hosted", "big"]);
    // The same name is free elsewhere, and taken here.
    assert_eq!(hub.jit("repos/acme/site", "one", &["x"]).await.status(), 201);
    assert_eq!(hub.jit("orgs/ACME", "one", &["x"]).await.status(), 409);
    let of_org: Runners = hub.read("/orgs/acme/actions/runners").await;
    assert_eq!((of_org.total_count, of_org.runners[0].id), (1, made.runner.id));
    assert_eq!(of_org.runners[0].status, "offline");
    let id = made.runner.id;
    assert_eq!(hub.status(&format!("/repos/acme/site/actions/runners/{id}")).await, 404);
    let one: Runner = hub.read(&format!("/api/v3/orgs/acme/actions/runners/{id}")).await;
    assert_eq!(one.name, "one");
    let path = format!("/orgs/acme/actions/runners/{id}");
    assert_eq!(hub.ask(Method::DELETE, &path, None).await.status(), 204);
    assert_eq!(hub.ask(Method::DELETE, &path, None).await.status(), 404);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_for_a_runner_is_said() {
    let hub = Hub::open().await;
    assert_eq!(hub.jit("orgs/acme", "one", &[]).await.status(), 422);
    let path = "/orgs/acme/actions/runners/generate-jitconfig";
    let in_group = |group: u64| {
        let body = serde_json::json!({"name": "x", "labels": ["x"], "runner_group_id": group});
        hub.post(path, body)
    };
    assert_eq!(in_group(2).await.status(), 403);
    assert_eq!(in_group(7).await.status(), 404);
    assert!(hub.github.runners().is_empty());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let hub = Hub::open().await;
    for number in 0..5 {
        hub.jit("orgs/acme", &format!("r{number}"), &["x"]).await;
    }
    let path = "/api/v3/orgs/acme/actions/runners?per_page=2";
    let first = hub.get(path).await;
    let links = header(&first, "link");
    let next = format!(
        "<{}/api/v3/orgs/acme/actions/runners?page=2&per_page=2>; rel=\"next\"",
        hub.github.url()
    );
    assert!(links.contains(&next) && links.contains("rel=\"last\""), "{links}");
    let mut seen = Vec::new();
    for page in 1..=3 {
        let page: Runners = hub.read(&format!("{path}&page={page}")).await;
        assert_eq!(page.total_count, 5);
        seen.extend(page.runners.into_iter().map(|runner| runner.name));
    }
    assert_eq!(seen, ["r0", "r1", "r2", "r3", "r4"]);
    assert!(!header(&hub.get(&format!("{path}&page=3")).await, "link").contains("next"));
    let named: Runners = hub.read("/orgs/acme/actions/runners?name=r3").await;
    assert_eq!((named.total_count, named.runners.len()), (1, 1));
}

#[tokio::test]
async fn groups_are_listed() {
    let hub = Hub::open().await;
    let groups: Groups = hub.read("/orgs/acme/actions/runner-groups").await;
    let group = &groups.runner_groups[0];
    assert_eq!((groups.total_count, group.id, group.name.as_str()), (1, 1, "Default"));
    assert_eq!((group.visibility.as_str(), group.default), ("all", true));
    assert!(!group.allows_public_repositories);
}

#[tokio::test]
async fn runs_and_jobs_tell_how_far_they_are() {
    let hub = Hub::open().await;
    let in_run = |run| JobSpec { run: Some(run), ..job("acme/site", &["x"]) };
    let first = hub.github.queue_job(in_run(70));
    let second = hub.github.queue_job(in_run(70));
    hub.github.queue_job(JobSpec { waits_for_approval: true, ..in_run(71) });
    hub.github.queue_job(job("acme/other", &["x"]));
    let queued: Runs = hub.read("/repos/acme/site/actions/runs?status=queued").await;
    assert_eq!((queued.total_count, queued.workflow_runs[0].id), (1, 70));
    let run = &queued.workflow_runs[0];
    assert_eq!((run.run_attempt, run.status.as_str(), run.head_sha.len()), (1, "queued", 40));
    assert!(run.created_at <= run.updated_at);
    let waiting: Runs = hub.read("/repos/acme/site/actions/runs?status=waiting").await;
    assert_eq!(waiting.workflow_runs[0].id, 71);
    let jobs: Jobs = hub.read("/repos/acme/site/actions/runs/70/jobs?filter=latest").await;
    assert_eq!(jobs.total_count, 2);
    assert_eq!(jobs.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [first, second]);
    hub.github.cancel_job(first).unwrap();
    let one: Job = hub.read(&format!("/repos/acme/site/actions/jobs/{first}")).await;
    assert_eq!(
        (one.status.as_str(), one.conclusion.unwrap().as_str()),
        ("completed", Some("cancelled"))
    );
    assert_eq!((one.run_id, one.labels.as_slice()), (70, ["x".to_owned()].as_slice()));
    assert_eq!(hub.status(&format!("/repos/acme/other/actions/jobs/{first}")).await, 404);
    assert_eq!(hub.status("/repos/acme/site/actions/runs/99/jobs").await, 404);
}

#[tokio::test]
async fn tokens_for_config_sh_belong_to_a_place() {
    let hub = Hub::open().await;
    for kind in ["registration-token", "remove-token"] {
        let answer = hub.post(&format!("/repos/a/b/actions/runners/{kind}"), Value::Null).await;
        assert_eq!(answer.status(), 201);
        let body: Value = answer.json().await.unwrap();
        let ends: jiff::Timestamp = body["expires_at"].as_str().unwrap().parse().unwrap();
        assert!(ends > larm::clock::now());
        assert_eq!(body["token"].as_str().unwrap().len(), 32);
    }
    let (status, _) = message(hub.get("/orgs/acme/actions/runners/77").await).await;
    assert_eq!(status, 404);
}
