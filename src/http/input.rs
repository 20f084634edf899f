//! Requests, parsed once and strictly: bodies, queries, and which runner is meant.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;

use super::error::ApiError;
use super::types::ErrorKind;
use crate::manager::View;
use crate::model::{InstanceName, Phase, RunnerId};

/// The longest that a request may wait for something to happen. Callers who want to wait longer
/// ask again.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How many candidates an error about an ambiguous id names.
const CANDIDATES: usize = 5;

/// A JSON body; an empty one is `{}`.
pub(super) struct Body<T>(pub(super) T);

/// The query part of the address.
pub(super) struct Ask<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|why| body_error(&why))?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| json_error(&error))
    }
}

fn body_error(why: &BytesRejection) -> ApiError {
    ApiError::bad_request(format!("the request body cannot be read: {}", why.body_text()))
}

/// What is wrong with a body. A message about a wrong value would repeat that value, which may be
/// a secret that stands in the wrong place; those say only where.
fn json_error(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let harmless = error.is_syntax()
        || error.is_eof()
        || ["unknown field", "missing field", "duplicate field"]
            .iter()
            .any(|s| text.starts_with(s));
    let what = if harmless {
        text
    } else {
        let (line, column) = (error.line(), error.column());
        format!("the value at line {line} column {column} is not what belongs there")
    };
    ApiError::bad_request(format!("the request body is wrong: {what}"))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Ask<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|why| ApiError::bad_request(why.body_text()))
    }
}

/// Reads a comma-separated list of words like `active,stopped`.
pub(super) fn words<T: DeserializeOwned>(name: &str, text: &str) -> Result<Vec<T>, ApiError> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            let de = StrDeserializer::<serde::de::value::Error>::new(word);
            T::deserialize(de).map_err(|why| ApiError::bad_request(format!("{name}: {why}")))
        })
        .collect()
}

/// Seconds as a request gives them, within what a request may wait.
pub(super) fn wait_limit(seconds: Option<f64>, default: Duration) -> Result<Duration, ApiError> {
    let Some(seconds) = seconds else { return Ok(default) };
    Duration::try_from_secs_f64(seconds)
        .map(|limit| limit.min(LONGEST_WAIT))
        .map_err(|_| ApiError::bad_request(format!("{seconds} is no number of seconds")))
}

/// The runner that is meant by an id, a unique beginning of one, or an instance name. Live runners
/// win over gone ones.
pub(super) fn find(view: &View, text: &str) -> Result<RunnerId, ApiError> {
    if let Some(id) = exact(text).filter(|id| view.runners.contains_key(id)) {
        return Ok(id);
    }
    let missing = || {
        ApiError::new(ErrorKind::NotFound, format!("there is no runner \"{text}\""))
            .hint("`larm runner list` shows the runners there are")
    };
    if text.is_empty() {
        return Err(missing());
    }
    let all = view.runners.iter().filter(|(id, _)| id.as_str().starts_with(text));
    let (gone, live): (Vec<_>, Vec<_>) = all.partition(|(_, record)| record.phase == Phase::Gone);
    match (live.as_slice(), gone.as_slice()) {
        ([(only, _)], _) | ([], [(only, _)]) => Ok((*only).clone()),
        ([], []) => Err(missing()),
        _ => Err(ambiguous(text, live.iter().chain(&gone).map(|(id, _)| *id))),
    }
}

/// As [`find`], but also a full id or name that the manager has forgotten already.
pub(super) fn find_or_past(view: &View, text: &str) -> Result<RunnerId, ApiError> {
    find(view, text).or_else(|error| exact(text).ok_or(error))
}

fn exact(text: &str) -> Option<RunnerId> {
    let by_name = || text.parse::<InstanceName>().ok().map(|name| name.id().clone());
    text.parse::<RunnerId>().ok().or_else(by_name)
}

pub(super) fn ambiguous<'a>(text: &str, ids: impl Iterator<Item = &'a RunnerId>) -> ApiError {
    let some: Vec<&str> = ids.take(CANDIDATES).map(RunnerId::as_str).collect();
    ApiError::bad_request(format!("\"{text}\" fits several runners: {}", some.join(", ")))
        .hint("write more of the id, or the full name")
}

#[cfg(test)]
mod tests;
