//! Runners and their groups (GitHub REST API documentation, "Self-hosted runners" and "Self-hosted
//! runner groups"), for organisations and repositories alike:
//!
//! * `POST .../actions/runners/generate-jitconfig`: 201, 403 where it is closed, 404 for a group
//!   that is unknown, 409 for a name that is taken, 422
//! * `POST .../actions/runners/registration-token`, `.../remove-token`: 201
//! * `GET .../actions/runners` (`?name=`, in pages), `GET .../actions/runners/ID`
//! * `DELETE .../actions/runners/ID`: 204, 404, 422 while it runs a job
//! * `GET /orgs/ORG/actions/runner-groups`

use axum::extract::{OriginalUri, Path, Query as Asked, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{Query, not_found, page, problem, refusal};
use super::{Parts, SCOPES, number_in, scope_of};
use crate::smoke::standin::places::{Group, HOSTED_GROUP};
use crate::smoke::standin::record::RunnerRecord;
use crate::smoke::standin::state::{NewRunner, Refused};
use crate::smoke::standin::{StandIn, jit};

pub(super) fn routes() -> Router<StandIn> {
    let groups = Router::new().route("/orgs/{org}/actions/runner-groups", get(groups));
    SCOPES.iter().fold(groups, |router, scope| {
        let at = |rest: &str| format!("{scope}/actions/runners{rest}");
        router
            .route(&at(""), get(list))
            .route(&at("/{id}"), get(one).delete(delete))
            .route(&at("/generate-jitconfig"), post(generate_jitconfig))
            .route(&at("/registration-token"), post(registration_token))
            .route(&at("/remove-token"), post(registration_token))
    })
}

#[derive(Deserialize)]
struct JitRequest {
    name: String,
    labels: Vec<String>,
    runner_group_id: u64,
}

async fn generate_jitconfig(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Json(request): Json<JitRequest>,
) -> Response {
    let (scope, group) = (scope_of(&parts), request.runner_group_id);
    if request.name.is_empty() || request.labels.is_empty() || request.labels.len() > 100 {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "Invalid request: name or labels");
    }
    if let Some(why) = stand_in.lock().places.closed(&scope) {
        return problem(StatusCode::FORBIDDEN, why);
    }
    if group == HOSTED_GROUP {
        return problem(StatusCode::FORBIDDEN, "The group is GitHub's own.");
    }
    if !stand_in.lock().places.groups(&scope).iter().any(|one| one.id == group) {
        return not_found();
    }
    // GitHub keeps the labels of a just-in-time runner in lower case.
    let labels = request.labels.iter().map(|label| label.to_lowercase()).collect();
    let new = NewRunner { name: request.name, labels, scope, group, replace: false };
    let identity = match stand_in.register(new) {
        Ok(identity) => identity,
        Err(refused) => return refusal(refused),
    };
    let runners = stand_in.runners();
    let runner = runners.iter().find(|one| one.id == identity.id).map_or(Value::Null, shape);
    let encoded = jit::encode(&identity);
    let answer = json!({"runner": runner, "encoded_jit_config": encoded.expose_secret()});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn registration_token(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let scope = scope_of(&parts);
    if let Some(why) = stand_in.lock().places.closed(&scope) {
        return problem(StatusCode::FORBIDDEN, why);
    }
    let token: SecretString = stand_in.change(|state| state.new_token(scope));
    let expires_at = stand_in.now().saturating_add(SignedDuration::from_hours(1)).ok();
    let answer = json!({"token": token.expose_secret(), "expires_at": expires_at});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn list(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let scope = scope_of(&parts);
    let name = query.get("name");
    let wanted =
        |one: &&RunnerRecord| one.scope.is(&scope) && name.is_none_or(|name| *name == one.name);
    let runners = stand_in.listed_runners();
    let found = runners.iter().filter(wanted).map(shape).collect();
    page(found, Some("runners"), &query, stand_in.url(), &uri)
}

async fn one(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    find(&stand_in, &parts).map_or_else(not_found, |one| Json(shape(&one)).into_response())
}

async fn delete(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let found = find(&stand_in, &parts).ok_or(Refused::NotFound);
    match found.and_then(|one| stand_in.remove_runner(one.id)) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(Refused::Busy) => {
            let text = "Runner is currently running a job and cannot be deleted.";
            problem(StatusCode::UNPROCESSABLE_ENTITY, text)
        }
        Err(refused) => refusal(refused),
    }
}

async fn groups(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let groups = stand_in.lock().places.groups(&scope_of(&parts));
    let shown = groups.iter().map(group_shape).collect();
    page(shown, Some("runner_groups"), &query, stand_in.url(), &uri)
}

fn find(stand_in: &StandIn, parts: &Parts) -> Option<RunnerRecord> {
    let (id, scope) = (number_in(parts, "id")?, scope_of(parts));
    stand_in.runners().into_iter().find(|one| one.id == id && one.scope.is(&scope))
}

fn shape(runner: &RunnerRecord) -> Value {
    let label = |(id, name): (u64, &String)| {
        let own = ["self-hosted", "linux", "x64", "arm64"].contains(&name.as_str());
        json!({"id": id, "name": name, "type": if own { "read-only" } else { "custom" }})
    };
    json!({
        "id": runner.id,
        "runner_group_id": runner.group,
        "name": runner.name,
        "os": if runner.version.is_some() { "Linux" } else { "unknown" },
        "status": if runner.online { "online" } else { "offline" },
        "busy": runner.busy,
        "ephemeral": true,
        "version": runner.version,
        "labels": (1..).zip(&runner.labels).map(label).collect::<Vec<_>>(),
    })
}

fn group_shape(group: &Group) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "visibility": "all",
        "default": group.id == 1,
        "inherited": false,
        "allows_public_repositories": group.allows_public_repositories,
        "restricted_to_workflows": false,
        "selected_workflows": [],
        "workflow_restrictions_read_only": false,
    })
}
