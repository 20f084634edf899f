//! The part of GitHub's REST API that a runner manager needs (GitHub REST API documentation,
//! "Self-hosted runners"), for organisations and repositories alike:
//!
//! * `POST .../actions/runners/generate-jitconfig`: 201, 409 for a name that is taken, 422
//! * `POST .../actions/runners/registration-token`, `.../remove-token`: 201
//! * `GET .../actions/runners` (`?name=`), `GET .../actions/runners/ID`
//! * `DELETE .../actions/runners/ID`: 204, 404, 422 while it runs a job

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::StandIn;
use super::jit;
use super::record::RunnerRecord;
use super::state::Refused;
use crate::clock;

/// The routes.
pub(super) fn routes() -> Router<StandIn> {
    let scopes = ["/orgs/{org}", "/repos/{owner}/{repo}"];
    scopes.iter().fold(Router::new(), |router, scope| {
        let at = |rest: &str| format!("{scope}/actions/runners{rest}");
        router
            .route(&at(""), get(list))
            .route(&at("/{id}"), get(one).delete(delete))
            .route(&at("/generate-jitconfig"), post(generate_jitconfig))
            .route(&at("/registration-token"), post(registration_token))
            .route(&at("/remove-token"), post(remove_token))
    })
}

#[derive(Deserialize)]
struct JitRequest {
    name: String,
    labels: Vec<String>,
    runner_group_id: u64,
}

#[derive(Deserialize)]
struct ListQuery {
    name: Option<String>,
}

async fn generate_jitconfig(
    State(stand_in): State<StandIn>,
    Json(request): Json<JitRequest>,
) -> Response {
    if request.labels.is_empty() || request.runner_group_id == 0 {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "labels and runner_group_id are needed");
    }
    let identity = match stand_in.register(&request.name, request.labels, false) {
        Ok(identity) => identity,
        Err(refused) => return refusal(refused),
    };
    let runner = find(&stand_in, identity.id).map_or(Value::Null, |runner| shape(&runner));
    let encoded = jit::encode(&identity);
    let answer = json!({"runner": runner, "encoded_jit_config": encoded.expose_secret()});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn registration_token(State(stand_in): State<StandIn>) -> Response {
    token(&stand_in.registration_token())
}

async fn remove_token(State(stand_in): State<StandIn>) -> Response {
    token(&stand_in.remove_token())
}

fn token(token: &secrecy::SecretString) -> Response {
    let expires_at = clock::now().saturating_add(SignedDuration::from_hours(1)).ok();
    let answer = json!({"token": token.expose_secret(), "expires_at": expires_at});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn list(State(stand_in): State<StandIn>, Query(query): Query<ListQuery>) -> Response {
    let runners = stand_in.runners();
    let wanted =
        runners.iter().filter(|runner| query.name.as_ref().is_none_or(|n| *n == runner.name));
    let found: Vec<Value> = wanted.map(shape).collect();
    Json(json!({"total_count": found.len(), "runners": found})).into_response()
}

async fn one(
    State(stand_in): State<StandIn>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Response {
    match number(&path).and_then(|id| find(&stand_in, id)) {
        Some(runner) => Json(shape(&runner)).into_response(),
        None => refusal(Refused::NotFound),
    }
}

async fn delete(
    State(stand_in): State<StandIn>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Response {
    match number(&path).ok_or(Refused::NotFound).and_then(|id| stand_in.remove_runner(id)) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => refusal(refused),
    }
}

fn number(path: &BTreeMap<String, String>) -> Option<u64> {
    path.get("id")?.parse().ok()
}

fn find(stand_in: &StandIn, id: u64) -> Option<RunnerRecord> {
    stand_in.runners().into_iter().find(|runner| runner.id == id)
}

fn shape(runner: &RunnerRecord) -> Value {
    let label = |name: &String| json!({"name": name, "type": "custom"});
    json!({
        "id": runner.id,
        "name": runner.name,
        "os": "linux",
        "status": if runner.online { "online" } else { "offline" },
        "busy": runner.busy,
        "ephemeral": true,
        "runner_group_id": 1,
        "labels": runner.labels.iter().map(label).collect::<Vec<_>>(),
    })
}

fn refusal(refused: Refused) -> Response {
    let status = match refused {
        Refused::NameTaken => StatusCode::CONFLICT,
        Refused::Registration => StatusCode::FORBIDDEN,
        Refused::NotFound => StatusCode::NOT_FOUND,
        Refused::Busy => StatusCode::UNPROCESSABLE_ENTITY,
    };
    problem(status, &refused.to_string())
}

fn problem(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"message": message}))).into_response()
}
