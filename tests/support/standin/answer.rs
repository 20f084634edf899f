//! LXD's envelope: how every answer is wrapped (LXD documentation, "REST API", "Return values").

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{Error as HttpError, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An answer over HTTP.
pub type Answer = Response<Body>;

/// An error as LXD tells it: HTTP status and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status, and `error_code`.
    pub code: u16,
    /// LXD's words.
    pub text: String,
}

impl Refusal {
    /// An error with LXD's words.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// A 404.
    pub fn missing(what: &str) -> Self {
        Self::new(404, format!("{what} not found"))
    }

    /// The answer that tells it.
    pub fn answer(&self) -> Answer {
        error(self.code, &self.text)
    }
}

/// The outcome of a request's handler, as an answer.
pub fn settle(outcome: Result<Answer, Refusal>) -> Answer {
    outcome.unwrap_or_else(|refusal| refusal.answer())
}

/// A synchronous answer.
pub fn sync(metadata: &Value) -> Answer {
    with_body(200, &sync_body(metadata)).unwrap_or_default()
}

/// A synchronous answer that carries the `ETag` of what it shows.
pub fn sync_tagged(metadata: &Value) -> Answer {
    let mut answer = sync(metadata);
    if let Ok(value) = etag(metadata).parse() {
        answer.headers_mut().insert(ETAG, value);
    }
    answer
}

/// The `ETag` of a thing as it is shown.
pub fn etag(metadata: &Value) -> String {
    format!("\"{:x}\"", Sha256::digest(metadata.to_string()))
}

/// A synchronous answer that says that something was made.
pub fn created(location: &str) -> Answer {
    let mut answer = with_body(201, &sync_body(&json!({}))).unwrap_or_default();
    if let Ok(value) = location.parse() {
        answer.headers_mut().insert(LOCATION, value);
    }
    answer
}

/// An answer that names a background operation.
pub fn background(url: &str, operation: &Value) -> Answer {
    let body = json!({
        "type": "async", "status": "Operation created", "status_code": 100, "operation": url,
        "error_code": 0, "error": "", "metadata": operation,
    });
    let mut answer = with_body(202, &body).unwrap_or_default();
    if let Ok(value) = url.parse() {
        answer.headers_mut().insert(LOCATION, value);
    }
    answer
}

/// An error.
pub fn error(code: u16, text: &str) -> Answer {
    with_body(code, &error_body(code, text)).unwrap_or_default()
}

/// An error in the body of an answer whose HTTP status says 200, as newer servers answer a wait
/// for an operation that failed.
pub fn error_in_success(code: u16, text: &str) -> Answer {
    with_body(200, &error_body(code, text)).unwrap_or_default()
}

fn sync_body(metadata: &Value) -> Value {
    json!({
        "type": "sync", "status": "Success", "status_code": 200, "operation": "",
        "error_code": 0, "error": "", "metadata": metadata,
    })
}

fn error_body(code: u16, text: &str) -> Value {
    json!({
        "type": "error", "status": "", "status_code": 0, "operation": "",
        "error_code": code, "error": text, "metadata": null,
    })
}

fn with_body(code: u16, body: &Value) -> Result<Answer, HttpError> {
    Response::builder()
        .status(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(format!("{body}\n")))
}
