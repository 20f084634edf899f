//! What concerns all runners: the daemon itself, flush, cleanup.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;

use super::ControlApi;
use super::error::ApiError;
use super::input::Body;
use super::types::{CleanupRequest, FlushRequest, Removed, ServerInfo};
use crate::manager::CloudRunnerManager;

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
    let metrics = api.manager.flush_runners(request.remove_token, request.busy).await?;
    Ok(Json(Removed { metrics }))
}

pub(super) async fn cleanup(
    State(api): State<ControlApi>,
    Body(request): Body<CleanupRequest>,
) -> Result<Json<Removed>, ApiError> {
    let metrics = api.manager.cleanup(request.remove_token).await?;
    Ok(Json(Removed { metrics }))
}
