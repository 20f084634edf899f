//! The logs that were kept of a runner.

use std::path::Path as FilePath;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::ControlApi;
use super::error::ApiError;
use super::input::find_or_past;
use super::types::{ErrorKind, Logs};
use crate::manager::ManagerError;

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

pub(super) async fn list(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
) -> Result<Json<Logs>, ApiError> {
    let id = find_or_past(&api.manager.view(), &id)?;
    let logs = none_is_empty(api.manager.logs(&id).await)?;
    Ok(Json(Logs { logs: logs.into_iter().map(|log| log.name).collect() }))
}

pub(super) async fn read(
    State(api): State<ControlApi>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let id = find_or_past(&api.manager.view(), &id)?;
    let logs = none_is_empty(api.manager.logs(&id).await)?;
    // Only names that the manager listed lead to a file: the name is never made into a path here.
    let log = logs.into_iter().find(|log| log.name == name).ok_or_else(|| {
        ApiError::new(ErrorKind::NotFound, format!("no log \"{name}\" was kept of runner {id}"))
            .hint(format!("`larm runner logs {id} --list` shows those there are"))
    })?;
    send(&log.path).await
}

/// A runner that left no log is not an error.
fn none_is_empty<T>(answer: Result<Vec<T>, ManagerError>) -> Result<Vec<T>, ManagerError> {
    match answer {
        Err(ManagerError::NotFound(_)) => Ok(Vec::new()),
        other => other,
    }
}

async fn send(path: &FilePath) -> Result<Response, ApiError> {
    let file = File::open(path).await.map_err(|error| {
        ApiError::new(ErrorKind::Internal, format!("failed to read {}: {error}", path.display()))
    })?;
    let chunks = stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, Body::from_stream(chunks)).into_response())
}
