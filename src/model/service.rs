//! Services given to the guest.

mod host_port;

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use host_port::HostPort;

/// Services given to the guest.
#[derive(Debug, Clone, Default)]
pub struct SupportServiceConfig {
    /// The proxy that jobs reach the outside through.
    pub proxy_config: Option<ProxyConfig>,
    /// A mirror of Docker Hub, an https URL.
    pub dockerhub_mirror: Option<String>,
    /// Servers for interactive debugging of jobs; each runner gets one of them.
    pub ssh_debug_connections: Vec<SshDebugConnection>,
    /// The service that checks repositories against a policy.
    pub repo_policy_compliance: Option<RepoPolicyComplianceConfig>,
    /// Whether jobs of outsiders' pull requests run.
    pub external_contributors: ExternalContributors,
    /// Further variables of the runner and its jobs, by name.
    pub environment: BTreeMap<String, String>,
    /// What runs before each job.
    pub pre_job: Option<JobScript>,
    /// What runs after each job.
    pub post_job: Option<JobScript>,
}

/// The proxy that jobs reach the outside through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProxyConfig {
    /// For http.
    pub http: Option<String>,
    /// For https.
    pub https: Option<String>,
    /// Hosts that are reached without it, comma separated.
    pub no_proxy: Option<String>,
    /// Redirect traffic in the guest instead of setting the environment.
    pub use_aproxy: bool,
    /// What is not redirected: IPv4 addresses, networks and ranges.
    pub aproxy_exclude: Vec<String>,
    /// Which TCP ports are redirected: numbers, and ranges like `8000-8010`.
    pub aproxy_ports: Vec<String>,
}

/// A tmate server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// Its base URL, without a slash at the end.
    pub url: String,
}

/// Whether jobs of outsiders' pull requests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalContributors {
    /// All jobs run.
    #[default]
    Allow,
    /// A pull request from a fork runs only if its author belongs to the repository.
    Refuse,
}

/// A script of the operator's around each job, run as the job's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobScript {
    /// Its whole text, which begins with `#!`.
    pub content: String,
    /// What becomes of a job whose script fails.
    pub on_failure: OnFailure,
    /// How long it may take; then it has failed.
    pub timeout: SignedDuration,
}

/// What becomes of a job whose script fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The job fails.
    #[default]
    Fail,
    /// The job goes on, and its log tells of the failure.
    Ignore,
}

impl ProxyConfig {
    /// Where aproxy finds its proxy: that for http, else that for https. `None` where traffic is
    /// not redirected.
    pub fn aproxy_endpoint(&self) -> Option<HostPort> {
        let url = self.http.as_deref().or(self.https.as_deref());
        url.filter(|_| self.use_aproxy).and_then(HostPort::of_url)
    }
}
