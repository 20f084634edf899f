//! The just-in-time configuration and the local files of a runner, in the shape of GitHub's:
//! base64 of a JSON object whose keys are file names and whose values are base64 of those files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// What a runner knows of itself.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Its number.
    pub(super) id: u64,
    /// Its name.
    pub(super) name: String,
    /// Where its service is.
    pub(super) service: String,
    /// What it proves itself with.
    pub(super) token: SecretString,
}

/// The encoded just-in-time configuration.
pub(super) fn encode(identity: &Identity) -> SecretString {
    let files = json!({
        ".runner": STANDARD.encode(settings(identity)),
        ".credentials": STANDARD.encode(credentials(identity)),
        ".credentials_rsaparams": STANDARD.encode("{}"),
    });
    STANDARD.encode(files.to_string()).into()
}

/// The two files as the answer to a registration: one per line, in base64.
pub(super) fn lines(identity: &Identity) -> String {
    let (settings, credentials) = (settings(identity), credentials(identity));
    format!("runner {}\ncredentials {}\n", STANDARD.encode(settings), STANDARD.encode(credentials))
}

fn settings(identity: &Identity) -> String {
    json!({
        "agentId": identity.id,
        "agentName": identity.name,
        "ephemeral": true,
        "serverUrl": identity.service,
        "workFolder": "_work",
    })
    .to_string()
}

fn credentials(identity: &Identity) -> String {
    json!({"scheme": "StandIn", "data": {"token": identity.token.expose_secret()}}).to_string()
}
