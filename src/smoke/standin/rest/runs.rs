//! Runs and jobs (GitHub REST API documentation, "Workflow runs" and "Workflow jobs"):
//!
//! * `GET /repos/OWNER/NAME/actions/runs` (`?status=`, in pages), `GET .../runs/ID`
//! * `GET .../actions/runs/ID/jobs` (`?filter=latest|all`, in pages), `GET .../actions/jobs/ID`

use std::collections::BTreeMap;

use axum::extract::{OriginalUri, Path, Query as Asked, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::answers::{Query, not_found, page};
use super::{Parts, number_in, scope_of};
use crate::smoke::standin::record::{JobRecord, JobState};
use crate::smoke::standin::{StandIn, webhooks};

pub(super) fn routes() -> Router<StandIn> {
    let at = |rest: &str| format!("/repos/{{owner}}/{{repo}}/actions/{rest}");
    Router::new()
        .route(&at("runs"), get(runs))
        .route(&at("runs/{id}"), get(run))
        .route(&at("runs/{id}/jobs"), get(jobs))
        .route(&at("jobs/{id}"), get(job))
}

async fn runs(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let jobs = of_repository(stand_in.listed_jobs(), &parts);
    let wanted = query.get("status");
    let runs = shapes(&jobs).into_iter().rev().filter(|run| {
        let is = |key: &str, text: &String| run.get(key).is_some_and(|value| value == text);
        wanted.is_none_or(|wanted| is("status", wanted) || is("conclusion", wanted))
    });
    page(runs.collect(), Some("workflow_runs"), &query, stand_in.url(), &uri)
}

async fn run(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let id = number_in(&parts, "id");
    let mut jobs = of_repository(stand_in.jobs(), &parts);
    jobs.retain(|job| Some(job.run) == id);
    shapes(&jobs).pop().map_or_else(not_found, |run| Json(run).into_response())
}

async fn jobs(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let id = number_in(&parts, "id");
    let mut jobs = of_repository(stand_in.jobs(), &parts);
    jobs.retain(|job| Some(job.run) == id);
    let Some(latest) = jobs.iter().map(|job| job.attempt).max() else { return not_found() };
    if query.get("filter").is_none_or(|filter| filter != "all") {
        jobs.retain(|job| job.attempt == latest);
    }
    let shown = jobs.iter().map(webhooks::job).collect();
    page(shown, Some("jobs"), &query, stand_in.url(), &uri)
}

async fn job(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let id = number_in(&parts, "id");
    let jobs = of_repository(stand_in.jobs(), &parts);
    let found = jobs.iter().find(|job| Some(job.id) == id);
    found.map_or_else(not_found, |job| Json(webhooks::job(job)).into_response())
}

fn of_repository(mut jobs: Vec<JobRecord>, parts: &Parts) -> Vec<JobRecord> {
    let scope = scope_of(parts);
    jobs.retain(|job| scope.covers(&job.repository));
    jobs
}

/// The runs that these jobs make up, oldest first.
fn shapes(jobs: &[JobRecord]) -> Vec<Value> {
    let mut runs: BTreeMap<u64, Vec<&JobRecord>> = BTreeMap::new();
    for job in jobs {
        runs.entry(job.run).or_default().push(job);
    }
    runs.values().filter_map(|jobs| shape(jobs)).collect()
}

fn shape(jobs: &[&JobRecord]) -> Option<Value> {
    let attempt = jobs.iter().map(|job| job.attempt).max()?;
    let jobs: Vec<&&JobRecord> = jobs.iter().filter(|job| job.attempt == attempt).collect();
    let first = jobs.first()?;
    let (status, conclusion) = status(&jobs);
    let site = format!("https://github.com/{}", first.repository);
    Some(json!({
        "id": first.run,
        "name": first.workflow,
        "node_id": format!("WFR_{}", first.run),
        "head_branch": "main",
        "head_sha": format!("{:040x}", first.run),
        "run_number": first.run,
        "run_attempt": attempt,
        "event": "workflow_dispatch",
        "status": status,
        "conclusion": conclusion,
        "workflow_id": 1,
        "url": format!("https://api.github.com/repos/{}/actions/runs/{}", first.repository, first.run),
        "html_url": format!("{site}/actions/runs/{}", first.run),
        "created_at": jobs.iter().map(|job| job.queued).min(),
        "updated_at": jobs.iter().filter_map(|job| job.finished.or(job.started)).max()
            .unwrap_or(first.queued),
        "run_started_at": first.queued,
    }))
}

/// A run's status and conclusion.
fn status(jobs: &[&&JobRecord]) -> (&'static str, Option<&'static str>) {
    let all = |wanted: fn(JobState) -> bool| jobs.iter().all(|job| wanted(job.state));
    let any = |wanted: JobState| jobs.iter().any(|job| job.state == wanted);
    if all(JobState::is_final) {
        let conclusion = if any(JobState::Failed) {
            "failure"
        } else if any(JobState::Cancelled) {
            "cancelled"
        } else {
            "success"
        };
        return ("completed", Some(conclusion));
    }
    if all(|state| state == JobState::Waiting) {
        return ("waiting", None);
    }
    let untouched =
        |state| matches!(state, JobState::Waiting | JobState::Queued | JobState::Assigned);
    (if all(untouched) { "queued" } else { "in_progress" }, None)
}
