//! Jobs of runs, and repositories of an organisation.

use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::query_param;

use super::support::{Stage, job, on, says, status};
use crate::github::{GitHubErrorKind, JobLookup};
use crate::model::{JobState, Sighting};

const RUNS: &str = "GET /repos/acme/web/actions/runs";

/// A list of runs in a state, with a tag.
async fn runs(on_stage: &Stage, state: &str, ids: &[u64]) {
    let runs: Vec<Value> = ids.iter().map(|id| json!({"id": id, "status": state})).collect();
    let body = json!({"total_count": ids.len(), "workflow_runs": runs});
    let answer = status(200).set_body_json(body).insert_header("etag", format!("\"{state}\""));
    on(RUNS).and(query_param("status", state)).respond_with(answer).mount(&on_stage.server).await;
}

async fn jobs(stage: &Stage, run: u64, jobs: &[Value]) {
    let body = json!({"total_count": jobs.len(), "jobs": jobs});
    let answer = status(200).set_body_json(body).insert_header("etag", format!("\"{run}\""));
    stage.mount(&format!("{RUNS}/{run}/jobs"), answer).await;
}

#[tokio::test]
async fn jobs_that_wait_are_found_with_their_neighbours() {
    let stage = Stage::new().await;
    runs(&stage, "queued", &[1]).await;
    runs(&stage, "in_progress", &[2, 3]).await;
    runs(&stage, "waiting", &[2]).await;
    jobs(&stage, 1, &[job(11, "queued"), job(12, "waiting"), job(13, "pending")]).await;
    jobs(&stage, 2, &[job(21, "in_progress"), job(22, "completed")]).await;
    let found = stage.connection.queued_jobs("acme/web").await.unwrap();
    let states: Vec<_> = found.iter().map(|job| (job.id, job.state)).collect();
    let wanted = [(11, JobState::Queued), (21, JobState::InProgress), (22, JobState::Completed)];
    assert_eq!(states, wanted, "run 3 was removed in between");
    let queued = &found[0];
    assert_eq!((queued.run_id, queued.run_attempt, &*queued.name), (7, 2, "build"));
    assert_eq!(queued.repository, "acme/web");
    assert_eq!(queued.workflow.as_deref(), Some("CI"));
    assert_eq!(queued.labels, ["self-hosted", "Small"]);
    let made: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    assert_eq!((queued.created_at, queued.started_at), (Some(made), None));
    assert_eq!((queued.runner.as_deref(), found[1].started_at), (None, Some(made)));
    let asked = stage.asked().await;
    let first = "GET /repos/acme/web/actions/runs?status=queued&per_page=100&page=1";
    assert_eq!(asked[0], first);
    let of_run = "GET /repos/acme/web/actions/runs/1/jobs?filter=latest&per_page=100&page=1";
    assert!(asked.iter().any(|asked| asked == of_run), "{asked:?}");
}

#[tokio::test]
async fn looking_again_sends_the_tags() {
    let stage = Stage::new().await;
    for state in ["queued", "in_progress", "waiting"] {
        runs(&stage, state, &[1]).await;
    }
    jobs(&stage, 1, &[job(11, "queued")]).await;
    let first = stage.connection.queued_jobs("acme/web").await.unwrap();
    stage.server.reset().await;
    let unchanged = wiremock::Mock::given(wiremock::matchers::header_exists("if-none-match"));
    unchanged.respond_with(status(304)).mount(&stage.server).await;
    assert_eq!(stage.connection.queued_jobs("acme/web").await.unwrap(), first);
    assert_eq!(stage.count("GET").await, 4);
}

#[tokio::test]
async fn a_run_of_many_jobs_is_read_to_its_end() {
    let stage = Stage::new().await;
    runs(&stage, "queued", &[1]).await;
    runs(&stage, "in_progress", &[]).await;
    runs(&stage, "waiting", &[]).await;
    let all: Vec<Value> = (0..120).map(|id| job(id, "queued")).collect();
    for (page, part) in [("1", &all[..100]), ("2", &all[100..])] {
        let body = json!({"total_count": 120, "jobs": part});
        let mock = on(&format!("{RUNS}/1/jobs")).and(query_param("page", page));
        mock.respond_with(status(200).set_body_json(body)).mount(&stage.server).await;
    }
    assert_eq!(stage.connection.queued_jobs("acme/web").await.unwrap().len(), 120);
}

fn found(lookup: JobLookup) -> Sighting {
    match lookup {
        JobLookup::Found(sighting) => *sighting,
        JobLookup::Held | JobLookup::NotThere => panic!("{lookup:?}"),
    }
}

#[tokio::test]
async fn one_job_is_looked_at() {
    let stage = Stage::new().await;
    let mut done = job(5, "completed");
    done["conclusion"] = json!("success");
    done["runner_name"] = json!("larm-1");
    done["completed_at"] = json!("2026-01-02T03:05:00Z");
    stage.answer("GET /repos/acme/web/actions/jobs/5", 200, done).await;
    stage.answer("GET /repos/acme/web/actions/jobs/6", 200, job(6, "waiting")).await;
    let seen = found(stage.connection.job("acme/web", 5).await.unwrap());
    assert_eq!(seen.state, JobState::Completed);
    assert_eq!(
        (seen.conclusion.as_deref(), seen.runner.as_deref()),
        (Some("success"), Some("larm-1"))
    );
    assert!(seen.completed_at.is_some());
    assert_eq!(stage.connection.job("acme/web", 6).await.unwrap(), JobLookup::Held);
    assert_eq!(stage.connection.job("acme/web", 7).await.unwrap(), JobLookup::NotThere);
    for wrong in ["acme", "a/b/c", "../x", "a b/c", "acme/web?x=1"] {
        let error = stage.connection.job(wrong, 7).await.unwrap_err();
        assert!(matches!(error.kind(), GitHubErrorKind::Options { .. }), "{wrong}");
    }
}

#[tokio::test]
async fn who_may_not_read_runs_is_told_what_is_missing() {
    let stage = Stage::new().await;
    stage.mount(RUNS, says(403, "Resource not accessible by personal access token")).await;
    let error = stage.connection.queued_jobs("acme/web").await.unwrap_err();
    assert!(error.hint().unwrap().contains("\"Actions: read\""), "{:?}", error.hint());
}

#[tokio::test]
async fn repositories_come_as_they_were_pushed_to() {
    let stage = Stage::new().await;
    let one = |name: &str, archived: bool| {
        json!({"full_name": name, "pushed_at": "2026-01-02T03:04:05Z", "archived": archived,
               "disabled": false, "private": true})
    };
    let body = json!([
        one("acme/web", false),
        one("acme/old", true),
        one("acme/api", false),
        one("no name/at all", false)
    ]);
    stage.answer("GET /orgs/acme/repos", 200, body).await;
    let found = stage.connection.repositories("acme").await.unwrap();
    let names: Vec<_> = found.iter().map(|found| &*found.full_name).collect();
    assert_eq!(names, ["acme/web", "acme/api"]);
    assert!(found[0].pushed_at.is_some());
    let asked = "GET /orgs/acme/repos?sort=pushed&direction=desc&per_page=100&page=1";
    assert_eq!(stage.asked().await, [asked]);
}
