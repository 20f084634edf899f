//! Sends webhooks one after the other, in the background of the server.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use super::StandIn;
use super::hooks::Outgoing;
use crate::clock;

/// How long an answer may take (documented: 10 seconds).
const LIMIT: Duration = Duration::from_secs(10);

/// Sends whatever is to be sent until the stand-in stops.
pub(super) async fn run(stand_in: StandIn) {
    let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build();
    let Ok(client) = client else { return };
    let (mut changes, late) = (stand_in.changes(), TaskTracker::new());
    while !stand_in.stopped().is_cancelled() {
        for outgoing in stand_in.take_outbox() {
            match outgoing.late {
                Some(by) => {
                    let (stand_in, client) = (stand_in.clone(), client.clone());
                    late.spawn(async move {
                        tokio::time::sleep(by).await;
                        send(&stand_in, &client, outgoing).await;
                    });
                }
                None => send(&stand_in, &client, outgoing).await,
            }
        }
        tokio::select! {
            seen = changes.changed() => if seen.is_err() { return },
            () = stand_in.stopped().cancelled() => {}
        }
    }
}

async fn send(stand_in: &StandIn, client: &reqwest::Client, outgoing: Outgoing) {
    let begun = clock::now();
    let answer = client
        .post(&outgoing.url)
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/standin")
        .header("x-github-event", "workflow_job")
        .header("x-github-delivery", &outgoing.guid)
        .header("x-github-hook-id", outgoing.hook)
        .header("x-github-hook-installation-target-type", outgoing.target)
        .header("x-hub-signature-256", &outgoing.signature)
        .body(outgoing.body)
        .send();
    let (status, code) = tokio::select! {
        answer = answer => outcome(answer),
        () = stand_in.stopped().cancelled() => return,
    };
    let duration = since(begun);
    stand_in.change(|state| state.hooks.answered(outgoing.delivery, duration, &status, code));
}

fn outcome(answer: reqwest::Result<reqwest::Response>) -> (String, u16) {
    match answer {
        Ok(answer) if answer.status().is_success() => ("OK".to_owned(), answer.status().as_u16()),
        Ok(answer) => {
            let reason = answer.status().canonical_reason().unwrap_or("Invalid HTTP Response");
            (reason.to_owned(), answer.status().as_u16())
        }
        Err(error) if error.is_timeout() => ("timed out".to_owned(), 504),
        Err(_) => ("failed to connect to host".to_owned(), 502),
    }
}

fn since(begun: Timestamp) -> Duration {
    clock::now().duration_since(begun).unsigned_abs()
}
