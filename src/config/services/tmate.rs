//! `[[services.ssh_debug]]`: tmate servers.

use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::Deserialize;

use crate::model::SshDebugConnection;

/// One server as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TmateFragment {
    host: IpAddr,
    port: NonZeroU16,
    rsa_fingerprint: Fingerprint,
    ed25519_fingerprint: Fingerprint,
}

/// `SHA256:` and a hash in base64, as `ssh-keygen -l` prints it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Fingerprint(String);

impl TmateFragment {
    pub(super) fn into_settings(self) -> SshDebugConnection {
        SshDebugConnection {
            host: self.host,
            port: self.port.get(),
            rsa_fingerprint: self.rsa_fingerprint.0,
            ed25519_fingerprint: self.ed25519_fingerprint.0,
        }
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        let hash = text.strip_prefix("SHA256:");
        if hash.is_some_and(|hash| !hash.is_empty() && hash.chars().all(base64)) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no fingerprint of a key: `ssh-keygen -l` prints SHA256:..."))
    }
}
