//! Apps and their installations (GitHub REST API documentation, "GitHub Apps"):
//!
//! * `GET /app`, `GET /app/installations` (in pages), `GET .../installation`
//! * `POST /app/installations/ID/access_tokens`: 201, 403 where it is suspended, 404

use axum::extract::{OriginalUri, Path, Query as Asked, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::answers::{Query, not_found, page, problem};
use super::{Parts, SCOPES, number_in, scope_of};
use crate::smoke::standin::accounts::{App, Caller, Installation};
use crate::smoke::standin::{StandIn, places};

pub(super) fn routes() -> Router<StandIn> {
    let of_app = Router::new()
        .route("/app", get(app))
        .route("/app/installations", get(installations))
        .route("/app/installations/{id}/access_tokens", post(access_token));
    SCOPES.iter().fold(of_app, |router, scope| {
        router.route(&format!("{scope}/installation"), get(installation))
    })
}

async fn app(State(stand_in): State<StandIn>, Extension(caller): Extension<Caller>) -> Response {
    known(&stand_in, &caller).map_or_else(not_found, |app| {
        let answer = json!({
            "id": app.id,
            "client_id": app.client_id,
            "slug": app.slug,
            "name": app.slug,
            "events": ["workflow_job"],
            "installations_count": app.installations.len(),
        });
        Json(answer).into_response()
    })
}

async fn installations(
    State(stand_in): State<StandIn>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let Some(app) = known(&stand_in, &caller) else { return not_found() };
    let shown: Vec<Value> = app.installations.iter().map(|one| shape(&app, one)).collect();
    page(shown, None, &query, stand_in.url(), &uri)
}

async fn installation(
    State(stand_in): State<StandIn>,
    Extension(caller): Extension<Caller>,
    Path(parts): Path<Parts>,
) -> Response {
    let Some(app) = known(&stand_in, &caller) else { return not_found() };
    let place = scope_of(&parts).to_string();
    let owner = crate::smoke::standin::scope::owner(&place);
    let found = app.installations.iter().find(|one| one.account.eq_ignore_ascii_case(owner));
    found.map_or_else(not_found, |one| Json(shape(&app, one)).into_response())
}

async fn access_token(
    State(stand_in): State<StandIn>,
    Extension(caller): Extension<Caller>,
    Path(parts): Path<Parts>,
) -> Response {
    let (Caller::App(app), Some(id)) = (&caller, number_in(&parts, "id")) else {
        return not_found();
    };
    let now = stand_in.now();
    let (issued, permissions) = {
        let mut state = stand_in.lock();
        let issued = state.accounts.issue(*app, id, now);
        (issued, state.accounts.installation(id).map(|one| one.permissions.clone()))
    };
    match issued {
        Ok((token, expires_at)) => {
            let answer = json!({
                "token": token.expose_secret(),
                "expires_at": expires_at,
                "permissions": permissions,
                "repository_selection": "all",
            });
            (StatusCode::CREATED, Json(answer)).into_response()
        }
        Err(denied) => {
            let status = StatusCode::from_u16(denied.status).unwrap_or(StatusCode::FORBIDDEN);
            problem(status, &denied.message)
        }
    }
}

fn known(stand_in: &StandIn, caller: &Caller) -> Option<App> {
    let Caller::App(id) = caller else { return None };
    stand_in.lock().accounts.app(*id).cloned()
}

fn shape(app: &App, installation: &Installation) -> Value {
    let login = &installation.account;
    json!({
        "id": installation.id,
        "account": {"login": login, "id": places::number(login), "type": "Organization"},
        "app_id": app.id,
        "app_slug": app.slug,
        "target_type": "Organization",
        "target_id": places::number(login),
        "repository_selection": "all",
        "permissions": installation.permissions,
        "events": ["workflow_job"],
        "suspended_at": installation.suspended.then_some("2026-01-01T00:00:00Z"),
    })
}
