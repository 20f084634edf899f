//! Services given to the guest.

use std::net::IpAddr;

use secrecy::SecretString;

/// Services given to the guest.
#[derive(Debug, Clone, Default)]
pub struct SupportServiceConfig {
    /// The proxy that jobs reach the outside through.
    pub proxy_config: Option<ProxyConfig>,
    /// A mirror of Docker Hub, an https URL.
    pub dockerhub_mirror: Option<String>,
    /// Servers for interactive debugging of jobs.
    pub ssh_debug_connections: Vec<SshDebugConnection>,
    /// The service that checks repositories against a policy.
    pub repo_policy_compliance: Option<RepoPolicyComplianceConfig>,
}

/// The proxy that jobs reach the outside through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyConfig {
    /// For http.
    pub http: Option<String>,
    /// For https.
    pub https: Option<String>,
    /// Hosts that are reached without it, comma separated.
    pub no_proxy: Option<String>,
    /// Redirect traffic in the guest instead of setting the environment.
    pub use_aproxy: bool,
}

/// A tmate server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshDebugConnection {
    /// Its address.
    pub host: IpAddr,
    /// Its port.
    pub port: u16,
    /// The fingerprint of its RSA key, `SHA256:...`.
    pub rsa_fingerprint: String,
    /// The fingerprint of its Ed25519 key, `SHA256:...`.
    pub ed25519_fingerprint: String,
}

/// The service that checks repositories against a policy.
#[derive(Debug, Clone)]
pub struct RepoPolicyComplianceConfig {
    /// The token that one-time tokens are asked for with.
    pub token: SecretString,
    /// Its base URL.
    pub url: String,
}
