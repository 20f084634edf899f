//! The runner application to download, and until when versions are served (GitHub REST API
//! documentation, "List runner applications"):
//!
//! * `GET .../actions/runners/downloads`
//! * `GET .../actions/runners/deprecations/VERSION`: 200, 404 for a version that is unknown
//! * `GET /runner-downloads/FILE`: the archive, whole or from a place on (`Range`)

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::answers::{not_found, problem};
use super::{Parts, SCOPES};
use crate::smoke::standin::application::Application;
use crate::smoke::standin::{StandIn, Versions};

const PLACE: &str = "/runner-downloads";

/// Enough for the server to write what it has.
const FLUSHED: Duration = Duration::from_millis(100);

/// Systems and architectures, in GitHub's words, and how an archive of each ends.
const KINDS: [(&str, &str, &str); 5] = [
    ("osx", "arm64", "tar.gz"),
    ("linux", "x64", "tar.gz"),
    ("linux", "arm64", "tar.gz"),
    ("linux", "arm", "tar.gz"),
    ("win", "x64", "zip"),
];

pub(super) fn routes() -> Router<StandIn> {
    SCOPES.iter().fold(Router::new(), |router, scope| {
        router
            .route(&format!("{scope}/actions/runners/downloads"), get(list))
            .route(&format!("{scope}/actions/runners/deprecations/{{version}}"), get(deprecation))
    })
}

/// The archives themselves, which GitHub serves from another host to anybody.
pub(super) fn archive_routes() -> Router<StandIn> {
    Router::new().route(&format!("{PLACE}/{{file}}"), get(archive))
}

async fn list(State(stand_in): State<StandIn>) -> Response {
    let versions = stand_in.lock().versions.clone();
    let Ok(application) = Application::build_gzip(&versions.newest, versions.padding) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the archive cannot be made");
    };
    let shape = |(os, architecture, ending): &(&str, &str, &str)| {
        let filename = format!("actions-runner-{os}-{architecture}-{}.{ending}", versions.newest);
        json!({
            "os": os,
            "architecture": architecture,
            "download_url": format!("{}{PLACE}/{filename}", stand_in.url()),
            "filename": filename,
            "sha256_checksum": application.sha256(),
        })
    };
    Json(KINDS.iter().map(shape).collect::<Vec<Value>>()).into_response()
}

async fn deprecation(State(stand_in): State<StandIn>, Path(parts): Path<Parts>) -> Response {
    let version = parts.get("version").map_or("", String::as_str);
    let known = stand_in.lock().versions.deprecations.get(version).copied();
    let Some(date) = known else { return not_found() };
    let answer = json!({
        "runner_version": version,
        "runtime_deprecates_at": date,
        "registration_deprecates_at": null,
    });
    Json(answer).into_response()
}

async fn archive(
    State(stand_in): State<StandIn>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let versions = stand_in.lock().versions.clone();
    let Some(version) = version_in(&versions, &file) else { return not_found() };
    let Ok(application) = Application::build_gzip(version, versions.padding) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the archive cannot be made");
    };
    let whole = application.archive();
    if stand_in.lock().breaks_download() {
        return broken(&whole);
    }
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some(from) = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')) else {
        return ([(header::ACCEPT_RANGES, "bytes")], whole).into_response();
    };
    if let Some(from) = from.parse::<usize>().ok().filter(|from| *from < whole.len()) {
        let range = format!("bytes {from}-{}/{}", whole.len() - 1, whole.len());
        let headers = [(header::CONTENT_RANGE, range)];
        return (StatusCode::PARTIAL_CONTENT, headers, whole.slice(from..)).into_response();
    }
    let headers = [(header::CONTENT_RANGE, format!("bytes */{}", whole.len()))];
    (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response()
}

/// The first half of an archive, and then a connection that breaks.
fn broken(whole: &Bytes) -> Response {
    let half = stream::iter([Ok(whole.slice(..whole.len() / 2))]);
    // What was written before must be on its way, or the error takes it along.
    let end = stream::once(async {
        tokio::time::sleep(FLUSHED).await;
        Err(io::Error::other("ordered: the download breaks"))
    });
    let body = Body::from_stream(half.chain(end));
    ([(header::CONTENT_LENGTH, whole.len().to_string())], body).into_response()
}

/// The version that an archive's name ends with, if it is a known one.
fn version_in<'a>(versions: &'a Versions, file: &str) -> Option<&'a str> {
    let stem = file.strip_suffix(".tar.gz")?;
    let known = versions.deprecations.keys().chain([&versions.newest]);
    known.map(String::as_str).find(|version| stem.ends_with(&format!("-{version}")))
}
