//! Services outside of larm that a runner is given its share of when it gets its credential: a tmate
//! server by lot, and a one-time token of the policy service.

mod policy;

use crate::model::SshDebugConnection;

pub use policy::{PolicyClient, PolicyError};

/// The variables that tell a job of its tmate server (tmate documentation, "Usage"; they are what
/// actions that start tmate read).
pub fn tmate_variables(server: &SshDebugConnection) -> Vec<(&'static str, String)> {
    vec![
        ("TMATE_SERVER_HOST", server.host.to_string()),
        ("TMATE_SERVER_PORT", server.port.to_string()),
        ("TMATE_SERVER_RSA_FINGERPRINT", server.rsa_fingerprint.clone()),
        ("TMATE_SERVER_ED25519_FINGERPRINT", server.ed25519_fingerprint.clone()),
    ]
}

/// One of the servers, by lot.
pub fn draw(servers: &[SshDebugConnection]) -> Option<&SshDebugConnection> {
    fastrand::choice(servers)
}
