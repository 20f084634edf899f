//! `[services]`: what guests are given.

mod environment;
mod proxy;
mod script;
mod shown;
mod tmate;

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::CredentialError;
use super::place::{Faults, Placed};
use super::secret_file::SecretFile;
use super::value::WebUrl;
use crate::model::{
    ExternalContributors, JobScript, ProxyConfig, RepoPolicyComplianceConfig, SshDebugConnection,
    SupportServiceConfig,
};

use environment::EnvironmentFragment;
use proxy::ProxyFragment;
use script::ScriptFragment;
pub use script::ScriptSettings;
pub(super) use script::read as read_script;
use tmate::TmateFragment;

/// What guests are given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ServiceSettings {
    /// The proxy that jobs reach the outside through.
    pub proxy: Option<ProxyConfig>,
    /// A mirror of Docker Hub, an https URL without a slash at the end.
    pub dockerhub_mirror: Option<String>,
    /// Servers for interactive debugging of jobs.
    pub ssh_debug: Vec<SshDebugConnection>,
    /// The service that checks repositories against a policy.
    pub repo_policy: Option<RepoPolicySettings>,
    /// Whether jobs of outsiders' pull requests run.
    pub external_contributors: ExternalContributors,
    /// Further variables of the runner and its jobs, by name.
    pub environment: BTreeMap<String, String>,
    /// What runs before each job.
    pub pre_job: Option<ScriptSettings>,
    /// What runs after each job.
    pub post_job: Option<ScriptSettings>,
}

/// The service that checks repositories against a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepoPolicySettings {
    /// Its base URL, without a slash at the end.
    pub url: String,
    /// The file with the token that one-time tokens are asked for with.
    pub token_file: SecretFile,
}

/// `[services]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServicesFragment {
    proxy: ProxyFragment,
    dockerhub_mirror: Option<MirrorUrl>,
    ssh_debug: Option<Vec<TmateFragment>>,
    repo_policy: PolicyFragment,
    external_contributors: Option<ExternalContributors>,
    environment: EnvironmentFragment,
    pre_job: ScriptFragment,
    post_job: ScriptFragment,
}

/// `[services.repo_policy]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PolicyFragment {
    url: Option<Placed<WebUrl>>,
    token_file: Option<Placed<SecretFile>>,
}

/// An https URL, without a slash at the end.
#[derive(Debug, Deserialize)]
#[serde(try_from = "WebUrl")]
struct MirrorUrl(String);

impl ServicesFragment {
    pub(super) fn merge(&mut self, later: Self, file: usize) {
        self.proxy.merge(later.proxy, file);
        self.repo_policy.merge(later.repo_policy, file);
        self.environment.merge(later.environment);
        self.pre_job.merge(later.pre_job, file);
        self.post_job.merge(later.post_job, file);
        merge!(self, later: dockerhub_mirror, ssh_debug, external_contributors);
    }

    pub(super) fn into_settings(self, faults: &mut Faults) -> ServiceSettings {
        let tmate = self.ssh_debug.unwrap_or_default();
        ServiceSettings {
            proxy: self.proxy.into_settings(faults),
            dockerhub_mirror: self.dockerhub_mirror.map(|url| url.0),
            ssh_debug: tmate.into_iter().map(TmateFragment::into_settings).collect(),
            repo_policy: self.repo_policy.into_settings(faults),
            external_contributors: self.external_contributors.unwrap_or_default(),
            environment: self.environment.into_settings(),
            pre_job: self.pre_job.into_settings(faults),
            post_job: self.post_job.into_settings(faults),
        }
    }
}

impl PolicyFragment {
    fn merge(&mut self, later: Self, file: usize) {
        merge_placed!(self, later, file: url, token_file);
    }

    fn into_settings(self, faults: &mut Faults) -> Option<RepoPolicySettings> {
        match (self.url, self.token_file) {
            (Some(url), Some(file)) => {
                Some(RepoPolicySettings { url: url.value.0, token_file: file.value })
            }
            (None, None) => None,
            (Some(url), None) => {
                faults.add(url.place, "`url` is given without `token_file`".to_owned());
                None
            }
            (None, Some(file)) => {
                faults.add(file.place, "`token_file` is given without `url`".to_owned());
                None
            }
        }
    }
}

impl TryFrom<WebUrl> for MirrorUrl {
    type Error = String;

    fn try_from(url: WebUrl) -> Result<Self, String> {
        if url.0.starts_with("https://") {
            return Ok(Self(url.0));
        }
        Err("docker takes a mirror by https only: write https://...".to_owned())
    }
}

impl ServiceSettings {
    /// The services, with the one secret among them read from its file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self) -> Result<SupportServiceConfig, CredentialError> {
        let with_token = |policy: &RepoPolicySettings| {
            let token: SecretString = policy.token_file.read()?;
            Ok(RepoPolicyComplianceConfig { token, url: policy.url.clone() })
        };
        let script = |script: &ScriptSettings| -> JobScript { script.script.clone() };
        Ok(SupportServiceConfig {
            proxy_config: self.proxy.clone(),
            dockerhub_mirror: self.dockerhub_mirror.clone(),
            ssh_debug_connections: self.ssh_debug.clone(),
            repo_policy_compliance: self.repo_policy.as_ref().map(with_token).transpose()?,
            external_contributors: self.external_contributors,
            environment: self.environment.clone(),
            pre_job: self.pre_job.as_ref().map(script),
            post_job: self.post_job.as_ref().map(script),
        })
    }
}
