//! Jobs, and why they wait.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;

use super::ControlApi;
use super::error::ApiError;
use super::input::{Ask, find_or_past};
use super::types::ErrorKind;
use super::types::farm::{JobStatus, Jobs, Why};
use crate::clock;
use crate::farm::{FarmView, in_words};
use crate::model::{Job, JobId};

/// How many jobs are returned where the request does not say.
const DEFAULT_LIMIT: usize = 100;
/// How many jobs one request may ask for.
const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobsQuery {
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(api): State<ControlApi>,
    Ask(query): Ask<JobsQuery>,
) -> Result<Json<Jobs>, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let kept = api.farm.jobs(query.all, limit).await?;
    let farm = api.farm.view();
    Ok(Json(Jobs { jobs: kept.into_iter().map(|job| status(job, &farm)).collect() }))
}

pub(super) async fn show(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
) -> Result<Json<JobStatus>, ApiError> {
    let found = match id.parse() {
        Ok(id) => api.farm.job(id).await?,
        Err(_) => None,
    };
    let job = found.ok_or_else(|| unknown_job(&id))?;
    Ok(Json(status(job, &api.farm.view())))
}

/// Why a job waits, or a runner is as it is: a number is a job, unless only a runner has it.
pub(super) async fn why(
    State(api): State<ControlApi>,
    Path(subject): Path<String>,
) -> Result<Json<Why>, ApiError> {
    if let Ok(id) = subject.parse::<JobId>()
        && let Some(why) = api.farm.why_job(id).await?
    {
        return Ok(Json(why));
    }
    let id = find_or_past(&api.manager.view(), &subject).map_err(|error| {
        if subject.parse::<JobId>().is_ok() { unknown_job(&subject) } else { error }
    })?;
    api.farm.why_runner(&id).await?.map(Json).ok_or_else(|| unknown_job(&subject))
}

fn status(job: Job, farm: &FarmView) -> JobStatus {
    let waiting = farm.waiting.get(&job.id).map(in_words);
    let queued_for = job.waited(clock::now()).as_secs();
    JobStatus { job, waiting, queued_for }
}

fn unknown_job(id: &str) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("nobody has told of a job or runner {id}"))
        .hint("`larm job list --all` shows the jobs that larm has heard of")
}
