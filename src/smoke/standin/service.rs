//! The service that the stand-in's runners talk to. Plain text, so that a shell script can.
//!
//! | request | answer |
//! |---|---|
//! | `POST registrations?name=&labels=` with a registration token | `runner B64`, `credentials B64` |
//! | `POST removal` with a remove token, `?name=` | 200, 404 |
//! | `POST session?version=` | 200, 403 |
//! | `GET message` | 200 with a job, 204 after 50 s without one, 404 if the runner is not registered, 410 if its version is past its date |
//! | `POST jobs/ID/started?attempt=`, `POST jobs/ID/finished?result=` | 200 |

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::StandIn;
use super::jit;
use super::record::{JobId, RunnerRecord};
use super::scope::Scope;
use super::state::{NewRunner, Refused};
use crate::clock;

/// Where the service is, below the stand-in's URL.
pub(super) const PREFIX: &str = "/runner-service";

/// How long a poll for a job is held.
const POLL: Duration = Duration::from_secs(50);

/// How often a poll looks for jobs that their runner has not started in time.
const LOOK: Duration = Duration::from_secs(5);

/// The routes.
pub(super) fn routes() -> Router<StandIn> {
    let service = Router::new()
        .route("/registrations", post(register))
        .route("/removal", post(remove))
        .route("/session", post(open_session))
        .route("/message", get(next_job))
        .route("/jobs/{id}/started", post(started))
        .route("/jobs/{id}/finished", post(finished));
    Router::new().nest(PREFIX, service)
}

#[derive(Deserialize)]
struct Registration {
    name: String,
    #[serde(default)]
    labels: String,
}

#[derive(Deserialize)]
struct Removal {
    name: String,
}

#[derive(Deserialize)]
struct Session {
    version: Option<String>,
}

#[derive(Deserialize)]
struct Attempt {
    attempt: String,
}

#[derive(Deserialize)]
struct Outcome {
    result: String,
}

async fn register(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    Query(wanted): Query<Registration>,
) -> Response {
    let Some(scope) = token_scope(&stand_in, &headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    // What `config.sh` adds by itself.
    let own = ["self-hosted", "linux"].into_iter();
    let labels = own.chain(wanted.labels.split(',').filter(|label| !label.is_empty()));
    let labels = labels.map(str::to_owned).collect();
    let new = NewRunner { name: wanted.name, labels, scope, group: 1, replace: true };
    match stand_in.register(new) {
        Ok(identity) => jit::lines(&identity).into_response(),
        Err(refused) => refusal(refused),
    }
}

async fn remove(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    Query(removal): Query<Removal>,
) -> Response {
    let Some(scope) = token_scope(&stand_in, &headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let runners = stand_in.runners();
    let is_meant = |one: &&RunnerRecord| {
        one.name == removal.name && (scope == Scope::Anywhere || one.scope.is(&scope))
    };
    let found = runners.iter().find(is_meant);
    done(found.ok_or(Refused::NotFound).and_then(|runner| stand_in.remove_runner(runner.id)))
}

async fn open_session(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    Query(session): Query<Session>,
) -> Response {
    done(runner(&stand_in, &headers).and_then(|id| {
        stand_in.change(|state| state.open_session(id, session.version, clock::now()))
    }))
}

async fn next_job(State(stand_in): State<StandIn>, headers: HeaderMap) -> Response {
    let mut changes = stand_in.changes();
    let end = Instant::now() + POLL;
    while Instant::now() < end && !stand_in.stopped().is_cancelled() {
        let taken = runner(&stand_in, &headers)
            .and_then(|id| stand_in.change(|state| state.next_job(id, clock::now())));
        match taken {
            Ok(Some(job)) => return job_answer(&stand_in, job),
            Ok(None) => {}
            Err(Refused::NotFound) if is_ghost(&stand_in, &headers) => {}
            Err(refused) => return refusal(refused),
        }
        let look = end.min(Instant::now() + LOOK);
        tokio::select! {
            // Whether something changed or the time is over: look again.
            _ = timeout_at(look, changes.changed()) => {}
            () = stand_in.stopped().cancelled() => {}
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

/// The job; or, where that was ordered, a connection that breaks in the middle of the answer.
fn job_answer(stand_in: &StandIn, job: JobId) -> Response {
    let drops = stand_in.lock().drops_assignment();
    if drops {
        let broken: Result<Bytes, std::io::Error> =
            Err(std::io::Error::other("ordered: the assignment is lost"));
        return Body::from_stream(futures_util::stream::iter([broken])).into_response();
    }
    let message = stand_in.lock().job_message(job);
    message.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn started(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    Path(job): Path<JobId>,
    Query(query): Query<Attempt>,
) -> Response {
    done(runner(&stand_in, &headers).and_then(|id| {
        stand_in.change(|state| state.started(id, job, &query.attempt, clock::now()))
    }))
}

async fn finished(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    Path(job): Path<JobId>,
    Query(query): Query<Outcome>,
) -> Response {
    let succeeded = query.result == "succeeded";
    done(
        runner(&stand_in, &headers).and_then(|id| {
            stand_in.change(|state| state.finished(id, job, succeeded, clock::now()))
        }),
    )
}

fn runner(stand_in: &StandIn, headers: &HeaderMap) -> Result<u64, Refused> {
    stand_in.lock().runner_by_token(bearer(headers).ok_or(Refused::NotFound)?)
}

fn token_scope(stand_in: &StandIn, headers: &HeaderMap) -> Option<Scope> {
    stand_in.lock().token_scope(bearer(headers)?)
}

fn is_ghost(stand_in: &StandIn, headers: &HeaderMap) -> bool {
    bearer(headers).is_some_and(|token| stand_in.lock().is_ghost(token))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn done(result: Result<(), Refused>) -> Response {
    result.map_or_else(refusal, |()| StatusCode::OK.into_response())
}

fn refusal(refused: Refused) -> Response {
    let status = match refused {
        Refused::NameTaken => StatusCode::CONFLICT,
        Refused::Registration => StatusCode::FORBIDDEN,
        Refused::NotFound => StatusCode::NOT_FOUND,
        Refused::Busy => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Deprecated => StatusCode::GONE,
    };
    (status, format!("{refused}\n")).into_response()
}
