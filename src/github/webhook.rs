//! What GitHub sends by itself (GitHub documentation, "Webhook events and payloads",
//! "Validating webhook deliveries"): is it from GitHub, and what does it say.
//!
//! A delivery is hostile until its signature holds, and read totally afterwards too. Its size is
//! for the caller to limit.

use octocrab::models::webhook_events::verification::verify_signature;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::jobs::{JobWire, repository_path};
use super::text::line;
use crate::model::{JobState, Sighting};

/// The longest name of an event that is kept, in characters.
const TEXT: usize = 100;

/// What a delivery says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A job has come so far.
    Job {
        /// What is said of it.
        sighting: Box<Sighting>,
        /// The App's installation that the delivery is for.
        installation: Option<u64>,
    },
    /// A job waits for an approval: nothing is to be done for it.
    Waiting,
    /// GitHub tries the webhook.
    Ping,
    /// Something else, with the name of its event and action.
    Other(String),
}

/// Why a delivery is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It was not signed with the secret.
    #[error("the delivery's signature is not right")]
    Signature,
    /// It is signed, and not what GitHub documents.
    #[error("the delivery cannot be read")]
    Malformed,
}

#[derive(Deserialize)]
struct JobEvent {
    action: String,
    workflow_job: JobWire,
    repository: Repository,
    installation: Option<Installation>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

/// Whether a body was signed with the secret; `signature` is the header `X-Hub-Signature-256`.
/// The comparison takes the same time whatever is wrong.
pub fn verify(secret: &SecretString, signature: &str, body: &[u8]) -> Result<(), WebhookError> {
    // Anybody can sign with an empty secret.
    if secret.expose_secret().is_empty() {
        return Err(WebhookError::Signature);
    }
    let verified = verify_signature(signature, secret.expose_secret(), body);
    verified.map_err(|_| WebhookError::Signature)
}

/// Reads a body whose signature holds; `event` is the header `X-GitHub-Event`.
pub fn parse(event: &str, body: &[u8]) -> Result<Delivery, WebhookError> {
    match event {
        "workflow_job" => job(body),
        "ping" => Ok(Delivery::Ping),
        other => Ok(Delivery::Other(line(other, TEXT))),
    }
}

fn job(body: &[u8]) -> Result<Delivery, WebhookError> {
    let event: JobEvent = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
    let repository = event.repository.full_name;
    if repository_path(&repository).is_none() {
        return Err(WebhookError::Malformed);
    }
    // The status may be behind the action: `in_progress` comes with "queued".
    let state = match event.action.as_str() {
        "queued" if event.workflow_job.status == "waiting" => return Ok(Delivery::Waiting),
        "waiting" => return Ok(Delivery::Waiting),
        "queued" => JobState::Queued,
        "in_progress" => JobState::InProgress,
        "completed" => JobState::Completed,
        other => return Ok(Delivery::Other(line(&format!("workflow_job.{other}"), TEXT))),
    };
    Ok(Delivery::Job {
        sighting: Box::new(event.workflow_job.sighting(&repository, state)),
        installation: event.installation.map(|installation| installation.id),
    })
}
