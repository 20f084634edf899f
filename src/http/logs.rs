//! The logs of a runner: kept ones of the dead, read ones of the living.

use std::convert::Infallible;
use std::path::Path as FilePath;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::ControlApi;
use super::error::ApiError;
use super::input::{ambiguous, find, find_or_past};
use super::types::{ErrorKind, Logs};
use crate::manager::RunnerLog;
use crate::model::{InstanceName, RunnerId};

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;
const TEXT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; charset=utf-8")];

pub(super) async fn list(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
) -> Result<Json<Logs>, ApiError> {
    let id = which(&api, &id).await?;
    Ok(Json(Logs { logs: api.manager.log_names(&id).await? }))
}

pub(super) async fn read(
    State(api): State<ControlApi>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let id = which(&api, &id).await?;
    // Only names that the manager listed lead to a file: the name is never made into a path here.
    match api.manager.log(&id, &name).await? {
        Some(RunnerLog::Kept(log)) => send(&log.path).await,
        Some(RunnerLog::Read(text)) => Ok((TEXT, text).into_response()),
        None => {
            Err(ApiError::new(ErrorKind::NotFound, format!("no log \"{name}\" of runner {id}"))
                .hint(format!("`larm runner logs {id} --list` shows those there are")))
        }
    }
}

/// Ends with the runner, with the daemon, or when nobody reads any more.
pub(super) async fn follow(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = find(&api.manager.view(), &id)?;
    let follow = (api.manager.follow_log(&id), api.stop.clone());
    let lines = stream::unfold(follow, |(mut followed, stop)| async move {
        let line = stop.run_until_cancelled(followed.next()).await.flatten()?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), (followed, stop)))
    });
    Ok((TEXT, Body::from_stream(lines)).into_response())
}

/// The runner that is meant, remembered or not: logs outlive records.
async fn which(api: &ControlApi, text: &str) -> Result<RunnerId, ApiError> {
    let missing = match find(&api.manager.view(), text) {
        Ok(id) => return Ok(id),
        Err(missing) if missing.is_missing() => missing,
        Err(ambiguous) => return Err(ambiguous),
    };
    let begin =
        text.parse::<InstanceName>().map_or_else(|_| text.to_owned(), |name| name.id().to_string());
    let known = if begin.is_empty() { Vec::new() } else { api.manager.with_logs(&begin).await? };
    match known.as_slice() {
        [only] => Ok(only.clone()),
        [] => find_or_past(&api.manager.view(), text).map_err(|_| missing),
        several => Err(ambiguous(text, several.iter())),
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
    Ok((TEXT, Body::from_stream(chunks)).into_response())
}
