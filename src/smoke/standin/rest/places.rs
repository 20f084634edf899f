//! Organisations, repositories, the user, and the limits:
//!
//! * `GET /orgs/ORG`, `GET /orgs/ORG/repos` (in pages), `GET /repos/OWNER/NAME`
//! * `GET /user`, `GET /rate_limit`

use axum::extract::{OriginalUri, Path, Query as Asked, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use super::answers::{Query, not_found, page};
use super::gate::Counted;
use super::{Parts, scope_of};
use crate::clock;
use crate::smoke::standin::accounts::Caller;
use crate::smoke::standin::places;
use crate::smoke::standin::{StandIn, webhooks};

pub(super) fn routes() -> Router<StandIn> {
    Router::new()
        .route("/orgs/{org}", get(organization))
        .route("/orgs/{org}/repos", get(repositories))
        .route("/repos/{owner}/{repo}", get(repository))
        .route("/user", get(user))
        .route("/rate_limit", get(rate_limit))
}

async fn organization(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let found = stand_in.lock().places.organization(&scope_of(&parts).to_string());
    found.map_or_else(not_found, |one| Json(webhooks::organization(&one.login)).into_response())
}

async fn repositories(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let found = stand_in.lock().places.repositories_of(&scope_of(&parts).to_string());
    let shown: Vec<Value> = found.iter().map(webhooks::repository).collect();
    page(shown, None, &query, stand_in.url(), &uri)
}

async fn repository(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let found = stand_in.lock().places.repository(&scope_of(&parts).to_string());
    found.map_or_else(not_found, |one| Json(webhooks::repository(&one)).into_response())
}

async fn user(Extension(caller): Extension<Caller>) -> Response {
    let login = match caller {
        Caller::User { login, .. } => login,
        Caller::Anybody | Caller::App(_) | Caller::Installation(_) => "somebody".to_owned(),
    };
    Json(json!({"login": login, "id": places::number(&login), "type": "User"})).into_response()
}

async fn rate_limit(
    State(stand_in): State<StandIn>,
    Extension(Counted(name)): Extension<Counted>,
) -> Response {
    let usage = stand_in.lock().limits.usage(&name, clock::now());
    let core = json!({
        "limit": usage.limit,
        "used": usage.used,
        "remaining": usage.remaining(),
        "reset": usage.reset.as_second(),
    });
    Json(json!({"resources": {"core": core}, "rate": core})).into_response()
}
