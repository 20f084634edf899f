//! The journal, at once or as a long poll that the dispatcher's own changes wake.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::ControlApi;
use super::error::ApiError;
use super::input::{Ask, find_or_past, wait_limit};
use super::runners::stopping;
use super::types::Events;
use crate::manager::{JournalPart, JournalQuery, View};

/// How many entries are returned where the request does not say.
const DEFAULT_LIMIT: usize = 100;
/// How many entries one request may ask for.
const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    #[serde(default)]
    last: bool,
    runner: Option<String>,
    wait: Option<f64>,
    #[serde(default)]
    part: JournalPart,
}

pub(super) async fn list(
    State(api): State<ControlApi>,
    Ask(ask): Ask<EventsQuery>,
) -> Result<Json<Events>, ApiError> {
    let mut changes = api.manager.subscribe();
    let runner = ask.runner.map(|text| find_or_past(&api.manager.view(), &text)).transpose()?;
    let query = JournalQuery {
        after: ask.after,
        limit: ask.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        last: ask.last,
        runner,
        part: ask.part,
    };
    let deadline = Instant::now() + wait_limit(ask.wait, Duration::ZERO)?;
    tokio::select! {
        events = first_news(&api, &query, &mut changes, deadline) => events.map(Json),
        () = api.stop.cancelled() => Err(stopping()),
    }
}

/// Reads the journal, again after each growth, until something fits or the time is up.
async fn first_news(
    api: &ControlApi,
    query: &JournalQuery,
    changes: &mut watch::Receiver<Arc<View>>,
    deadline: Instant,
) -> Result<Events, ApiError> {
    loop {
        // Taken before the journal is read: an entry that comes in between is read again rather
        // than missed.
        let head = changes.borrow_and_update().journal_head;
        let events = api.manager.journal(query.clone()).await?;
        if !events.is_empty() {
            let last = events.last().map_or(head, |entry| entry.seq);
            let cut_off = !query.last && events.len() >= query.limit;
            return Ok(Events { events, next: if cut_off { last } else { last.max(head) } });
        }
        let grown = async {
            // An error means that the dispatcher has ended: the stop is what the caller hears of.
            while let Ok(()) = changes.changed().await {
                if changes.borrow_and_update().journal_head > head {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        if timeout_at(deadline, grown).await.is_err() {
            return Ok(Events { events: Vec::new(), next: head.max(query.after) });
        }
    }
}
