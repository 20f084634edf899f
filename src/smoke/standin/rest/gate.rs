//! What every request of the REST API passes: ordered errors, limits, who asks, and whether the
//! answer is news to them.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::answers::problem;
use crate::clock;
use crate::smoke::standin::StandIn;
use crate::smoke::standin::accounts::{Caller, Denied};
use crate::smoke::standin::limits::{SecondaryLimit, Usage};
use crate::smoke::standin::needs::Need;
use crate::smoke::standin::state::State as Known;

/// More than any answer has.
const BODY: usize = 64 << 20;

const SECONDARY: &str = "You have exceeded a secondary rate limit. Please wait a few minutes before \
                         you try again.";

/// Lets a request pass, or answers it.
pub(super) async fn pass(
    State(stand_in): State<StandIn>,
    mut request: Request,
    next: Next,
) -> Response {
    let now = stand_in.now();
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let is_read = request.method() == "GET";
    let costs = request.uri().path() != "/rate_limit";
    let (caller, name) = match admit(&stand_in, &request, now, costs) {
        Ok(admitted) => admitted,
        Err(answer) => return dated(counted_elsewhere(&stand_in, *answer), now),
    };
    request.extensions_mut().insert(caller.clone());
    request.extensions_mut().insert(Counted(name.clone()));
    let mut answer = next.run(request).await;
    if stand_in.change(Known::draws_error_after) {
        answer = problem(StatusCode::BAD_GATEWAY, "Server Error");
    }
    if is_read && answer.status() == StatusCode::OK {
        answer = tagged(answer, known.as_ref()).await;
    }
    let counted = costs && answer.status() != StatusCode::NOT_MODIFIED;
    let usage = {
        let mut state = stand_in.lock();
        if counted {
            state.limits.count(&name, clock::now());
        }
        state.limits.usage(&name, clock::now())
    };
    put_usage(answer.headers_mut(), usage);
    if let Caller::User { scopes: Some(scopes), .. } = &caller {
        put(answer.headers_mut(), "x-oauth-scopes", &scopes.join(", "));
    }
    dated(answer, now)
}

/// Under which name a request is counted.
#[derive(Debug, Clone)]
pub(super) struct Counted(pub(super) String);

fn admit(
    stand_in: &StandIn,
    request: &Request,
    now: Timestamp,
    costs: bool,
) -> Result<(Caller, String), Box<Response>> {
    let mut state = stand_in.lock();
    if state.draws_error() {
        return Err(Box::new(problem(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")));
    }
    if let Some(limit) = state.limits.take_secondary(clock::now()) {
        return Err(Box::new(secondary(limit)));
    }
    let (method, path) = (request.method().as_str(), request.uri().path());
    let token = token(request.headers());
    let caller = match state.accounts.check(&state.places, method, path, token, now) {
        Ok(caller) => caller,
        Err(denied) => return Err(Box::new(refused(&denied))),
    };
    let name = match &caller {
        Caller::Anybody => "anybody".to_owned(),
        Caller::User { login, .. } => format!("user {login}"),
        Caller::App(id) => format!("app {id}"),
        Caller::Installation(id) => format!("installation {id}"),
    };
    let usage = state.limits.usage(&name, clock::now());
    if costs && usage.remaining() == 0 {
        let text = format!("API rate limit exceeded for {name}.");
        let mut answer = problem(StatusCode::FORBIDDEN, &text);
        put_usage(answer.headers_mut(), usage);
        return Err(Box::new(answer));
    }
    Ok((caller, name))
}

/// A refusal with the limits of callers that are not known, unless it has its own already.
fn counted_elsewhere(stand_in: &StandIn, mut answer: Response) -> Response {
    if !answer.headers().contains_key("x-ratelimit-limit") {
        let usage = stand_in.lock().limits.usage("unknown", clock::now());
        put_usage(answer.headers_mut(), usage);
    }
    answer
}

fn refused(denied: &Denied) -> Response {
    let status = StatusCode::from_u16(denied.status).unwrap_or(StatusCode::FORBIDDEN);
    let mut answer = problem(status, &denied.message);
    if let Some(Need::Permission { name, level, scopes }) = &denied.need {
        let headers = answer.headers_mut();
        put(headers, "x-accepted-github-permissions", &format!("{name}={level}"));
        put(headers, "x-accepted-oauth-scopes", &scopes.join(", "));
    }
    answer
}

fn secondary(limit: SecondaryLimit) -> Response {
    let status = StatusCode::from_u16(limit.status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    let mut answer = problem(status, SECONDARY);
    if let Some(after) = limit.retry_after {
        put(answer.headers_mut(), "retry-after", &after.as_secs().to_string());
    }
    answer
}

/// The answer with its `ETag`, or 304 where the caller knows it.
async fn tagged(answer: Response, known: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, BODY).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = format!("W/\"{:x}\"", Sha256::digest(&bytes));
    put(&mut parts.headers, "etag", &tag);
    let strong = tag.trim_start_matches("W/");
    let is_known = |value: &HeaderValue| value.to_str().is_ok_and(|known| known.contains(strong));
    if known.is_some_and(is_known) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn put_usage(headers: &mut HeaderMap, usage: Usage) {
    put(headers, "x-ratelimit-limit", &usage.limit.to_string());
    put(headers, "x-ratelimit-remaining", &usage.remaining().to_string());
    put(headers, "x-ratelimit-used", &usage.used.to_string());
    put(headers, "x-ratelimit-reset", &usage.reset.as_second().to_string());
    put(headers, "x-ratelimit-resource", "core");
}

/// The answer with the time of this server's clock.
fn dated(mut answer: Response, now: Timestamp) -> Response {
    put(answer.headers_mut(), "date", &now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    answer
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let is_known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    is_known.then_some(token)
}
