//! What concerns all runners: the daemon itself, flush, cleanup.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;

use super::ControlApi;
use super::error::ApiError;
use super::input::Body;
use super::types::{CleanupRequest, FlushRequest, NotRemoved, Removed, ServerInfo};
use crate::manager::{CloudRunnerManager, Removals};

pub(super) async fn info(State(api): State<ControlApi>) -> Json<ServerInfo> {
    let view = api.manager.view();
    let mut runners = BTreeMap::new();
    for record in view.runners.values() {
        *runners.entry(record.phase).or_insert(0) += 1;
    }
    Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        name_prefix: api.manager.name_prefix().to_string(),
        runners,
        journal_head: view.journal_head,
        lxd_trouble: view.lxd_trouble.clone(),
    })
}

pub(super) async fn flush(
    State(api): State<ControlApi>,
    Body(request): Body<FlushRequest>,
) -> Result<Json<Removed>, ApiError> {
    api.scrape.metrics.flush_requested(&api.manager.view(), request.busy);
    let removals = api.manager.flush(request.remove_token, request.busy).await?;
    Ok(Json(removed(removals)))
}

pub(super) async fn cleanup(
    State(api): State<ControlApi>,
    Body(request): Body<CleanupRequest>,
) -> Result<Json<Removed>, ApiError> {
    let removals = api.manager.clean_up(request.remove_token).await?;
    Ok(Json(removed(removals)))
}

fn removed(removals: Removals) -> Removed {
    let Removals { metrics, orphans, not_removed } = removals;
    let tell = |(name, error)| NotRemoved { name, error: ApiError::from(error).into_info() };
    Removed { metrics, orphans, not_removed: not_removed.into_iter().map(tell).collect() }
}
