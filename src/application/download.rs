//! One try to get an archive by HTTP, from where the last one broke off (RFC 9110, "Range
//! Requests", "If-Range").

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode};
use tokio::time::timeout;

use super::entry::{Progress, Wanted};
use super::error::{FetchErrorKind, deepest};
use super::partial::Partial;

/// What a try is bounded by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most bytes that an archive may have.
    pub(super) size: u64,
    /// How long nothing may come.
    pub(super) stall: Duration,
}

/// Whether all that is there came in this try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// All came now.
    Fresh,
    /// Its beginning is from an earlier try.
    Resumed,
}

/// Adds to `partial` all that is missing of it.
pub(super) async fn download(
    client: &Client,
    wanted: &Wanted,
    partial: &mut Partial,
    bounds: Bounds,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<Origin, FetchErrorKind> {
    let mut answer = ask(client, wanted, partial, bounds).await?;
    if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        // What is there is no beginning of what the server has.
        partial.begin(None).await?;
        answer = ask(client, wanted, partial, bounds).await?;
    }
    if !answer.status().is_success() {
        return Err(FetchErrorKind::Status(answer.status().as_u16()));
    }
    let goes_on = answer.status() == StatusCode::PARTIAL_CONTENT
        && begins_at(answer.headers()) == Some(partial.len());
    if !goes_on {
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            partial.begin(None).await?;
            let reason = "the server sent another part than was asked for".to_owned();
            return Err(FetchErrorKind::Broken { done: 0, reason });
        }
        partial.begin(validator(answer.headers()).as_deref()).await?;
    }
    let origin = if goes_on { Origin::Resumed } else { Origin::Fresh };
    let result = receive(answer, partial, bounds, progress).await;
    partial.flush().await?;
    result.map(|()| origin)
}

async fn ask(
    client: &Client,
    wanted: &Wanted,
    partial: &Partial,
    bounds: Bounds,
) -> Result<Response, FetchErrorKind> {
    let mut request = client.get(&wanted.url);
    if partial.len() > 0 {
        request = request.header(RANGE, format!("bytes={}-", partial.len()));
        if let Some(validator) = partial.validator().await {
            request = request.header(IF_RANGE, validator);
        }
    }
    let sent = timeout(bounds.stall, request.send()).await;
    sent.map_err(|_| FetchErrorKind::Stalled(bounds.stall))?.map_err(FetchErrorKind::unreachable)
}

async fn receive(
    answer: Response,
    partial: &mut Partial,
    bounds: Bounds,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<(), FetchErrorKind> {
    let total = answer.content_length().map(|rest| rest.saturating_add(partial.len()));
    if total.is_some_and(|total| total > bounds.size) {
        return Err(FetchErrorKind::TooLarge(bounds.size));
    }
    progress(Progress { done: partial.len(), total });
    let mut chunks = answer.bytes_stream();
    loop {
        let next = timeout(bounds.stall, chunks.next()).await;
        let Some(chunk) = next.map_err(|_| FetchErrorKind::Stalled(bounds.stall))? else {
            return Ok(());
        };
        let chunk = chunk.map_err(|error| FetchErrorKind::Broken {
            done: partial.len(),
            reason: deepest(&error.without_url()),
        })?;
        let count = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if partial.len().saturating_add(count) > bounds.size {
            return Err(FetchErrorKind::TooLarge(bounds.size));
        }
        partial.add(&chunk).await?;
        progress(Progress { done: partial.len(), total });
    }
}

/// Where a part begins: `bytes 500-999/1000`.
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split('-').next()?.parse().ok()
}

/// What the server calls this content; weak names are not good enough to go on by.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}
