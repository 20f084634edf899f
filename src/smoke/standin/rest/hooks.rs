//! Hooks and what they sent (GitHub REST API documentation, "Repository webhooks", "Organization
//! webhooks" and "GitHub App webhooks"):
//!
//! * `GET .../hooks` (in pages)
//! * `GET /app/hook/config`: where the App's hook leads
//! * `GET .../hooks/ID/deliveries`, `GET /app/hook/deliveries`: newest first, by cursor
//! * `POST .../deliveries/ID/attempts`: 202, 404

use axum::extract::{OriginalUri, Path, Query as Asked, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::answers::{Query, not_found, page, query_with, size, with_links};
use super::{Parts, SCOPES, number_in, scope_of};
use crate::clock;
use crate::smoke::standin::StandIn;
use crate::smoke::standin::hooks::{Delivery, Hook};
use crate::smoke::standin::scope::Scope;

pub(super) fn routes() -> Router<StandIn> {
    let of_app = Router::new()
        .route("/app/hook/config", get(config))
        .route("/app/hook/deliveries", get(deliveries))
        .route("/app/hook/deliveries/{delivery}/attempts", post(redeliver));
    SCOPES.iter().fold(of_app, |router, scope| {
        let at = |rest: &str| format!("{scope}/hooks{rest}");
        router
            .route(&at(""), get(list))
            .route(&at("/{hook}/deliveries"), get(deliveries))
            .route(&at("/{hook}/deliveries/{delivery}/attempts"), post(redeliver))
    })
}

async fn list(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let hooks = stand_in.lock().hooks.at(&scope_of(&parts));
    let shown = hooks.iter().map(|(id, hook)| shape(*id, hook)).collect();
    page(shown, None, &query, stand_in.url(), &uri)
}

/// An App without a hook has a configuration without a URL.
async fn config(State(stand_in): State<StandIn>) -> Response {
    let hooks = stand_in.lock().hooks.at(&Scope::Anywhere);
    let url = hooks.first().map(|(_, hook)| hook.url.clone());
    let mut config = json!({"content_type": "json", "insecure_ssl": "0", "secret": "********"});
    if let (Some(url), Some(fields)) = (url, config.as_object_mut()) {
        fields.insert("url".to_owned(), json!(url));
    }
    Json(config).into_response()
}

async fn deliveries(
    State(stand_in): State<StandIn>,
    Path(parts): Path<Parts>,
    Asked(query): Asked<Query>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let Some(hooks) = hooks(&stand_in, &parts) else { return not_found() };
    let mut found = stand_in.lock().hooks.deliveries(None);
    found.retain(|one| hooks.contains(&one.hook));
    cursor_page(&found, &query, stand_in.url(), &uri)
}

async fn redeliver(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let (Some(hooks), Some(delivery)) = (hooks(&stand_in, &parts), number_in(&parts, "delivery"))
    else {
        return not_found();
    };
    let again = |hook: &u64| {
        stand_in.change(|state| state.hooks.redeliver(Some(*hook), delivery, clock::now()))
    };
    if hooks.iter().any(again) {
        (StatusCode::ACCEPTED, Json(json!({}))).into_response()
    } else {
        not_found()
    }
}

/// The numbers of the hooks that a path is about: one of a place, or the App's.
fn hooks(stand_in: &StandIn, parts: &Parts) -> Option<Vec<u64>> {
    let of_app = !parts.contains_key("hook");
    let scope = if of_app { Scope::Anywhere } else { scope_of(parts) };
    let wanted = number_in(parts, "hook");
    let known = stand_in.lock().hooks.at(&scope);
    let ids: Vec<u64> =
        known.iter().map(|(id, _)| *id).filter(|id| of_app || wanted == Some(*id)).collect();
    (!ids.is_empty()).then_some(ids)
}

/// The cursor is the number of the newest delivery of a page.
fn cursor_page(found: &[Delivery], query: &Query, origin: &str, uri: &Uri) -> Response {
    let cursor = query.get("cursor").and_then(|cursor| cursor.strip_prefix("v1_"));
    let from = cursor.and_then(|cursor| cursor.parse::<u64>().ok()).unwrap_or(u64::MAX);
    let mut left = found.iter().filter(|one| one.id <= from);
    let shown: Vec<Value> = left.by_ref().take(size(query)).map(delivery_shape).collect();
    let next =
        left.next().map(|one| (query_with(query, "cursor", &format!("v1_{}", one.id)), "next"));
    let links: Vec<(Query, &str)> = next.into_iter().collect();
    with_links(Json(shown).into_response(), &links, origin, uri)
}

fn delivery_shape(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": delivery.at,
        "redelivery": delivery.redelivery,
        "duration": delivery.duration.as_secs_f64(),
        "status": delivery.status.0,
        "status_code": delivery.status.1,
        "event": "workflow_job",
        "action": delivery.action,
        "installation_id": delivery.installation,
        "repository_id": delivery.repository,
        "throttled_at": null,
    })
}

fn shape(id: u64, hook: &Hook) -> Value {
    let (kind, place) = match &hook.scope {
        Scope::Repository(name) => ("Repository", format!("repos/{name}")),
        Scope::Organization(name) => ("Organization", format!("orgs/{name}")),
        Scope::Anywhere => ("App", "app".to_owned()),
    };
    json!({
        "id": id,
        "type": kind,
        "name": "web",
        "active": true,
        "events": ["workflow_job"],
        "config": {"url": hook.url, "content_type": "json", "insecure_ssl": "0", "secret": "********"},
        "url": format!("https://api.github.com/{place}/hooks/{id}"),
        "deliveries_url": format!("https://api.github.com/{place}/hooks/{id}/deliveries"),
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "last_response": {"code": null, "status": "unused", "message": null},
    })
}
