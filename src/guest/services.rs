//! What guests are given beside the runner, as files of the user-data.
//!
//! What depends on the guest (its name, what its image has of docker) is left to `files/services.py`,
//! which gets what it needs as JSON. Nothing here is a secret: those come with the credential.

mod environment;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::json;

use super::paths;
use super::user_data::File;
use crate::model::{ExternalContributors, JobScript, OnFailure, ProxyConfig, SupportServiceConfig};

/// What guests are given beside the runner; no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuestServices {
    /// The proxy that jobs reach the outside through.
    pub proxy: Option<ProxyConfig>,
    /// A mirror of Docker Hub, an https URL.
    pub dockerhub_mirror: Option<String>,
    /// The base URL of the service that each job's repository is checked by.
    pub policy_url: Option<String>,
    /// Whether jobs of outsiders' pull requests run.
    pub external_contributors: ExternalContributors,
    /// Further variables of the runner and its jobs, by name.
    pub environment: BTreeMap<String, String>,
    /// What runs before each job.
    pub pre_job: Option<JobScript>,
    /// What runs after each job.
    pub post_job: Option<JobScript>,
}

impl From<&SupportServiceConfig> for GuestServices {
    fn from(config: &SupportServiceConfig) -> Self {
        Self {
            proxy: config.proxy_config.clone(),
            dockerhub_mirror: config.dockerhub_mirror.clone(),
            policy_url: config.repo_policy_compliance.as_ref().map(|policy| policy.url.clone()),
            external_contributors: config.external_contributors,
            environment: config.environment.clone(),
            pre_job: config.pre_job.clone(),
            post_job: config.post_job.clone(),
        }
    }
}

/// What `files/services.py` is told.
#[derive(Serialize)]
struct Told<'a> {
    http: Option<&'a str>,
    https: Option<&'a str>,
    no_proxy: Option<&'a str>,
    mirror: Option<&'a str>,
    dotenv: Vec<(&'a str, &'a str)>,
}

impl GuestServices {
    /// The files, none for what is not wanted.
    pub(super) fn files(&self) -> Vec<File> {
        let mut files = self.set_up();
        files.extend(self.aproxy());
        files.extend(self.checks());
        let scripts =
            [(paths::PRE_JOB_SCRIPT, &self.pre_job), (paths::POST_JOB_SCRIPT, &self.post_job)];
        for (path, script) in scripts {
            files.extend(script.iter().flat_map(|script| job_script(path, script)));
        }
        if self.pre_job.is_some() || self.post_job.is_some() {
            files.push(File::script(paths::JOB_SCRIPT, include_str!("files/job-script.sh")));
        }
        files
    }

    /// Proxies that programs are told of; none where traffic is redirected.
    fn told_proxy(&self) -> Option<&ProxyConfig> {
        self.proxy.as_ref().filter(|proxy| !proxy.use_aproxy)
    }

    /// The variables, and what is written by the guest itself.
    fn set_up(&self) -> Vec<File> {
        let variables = environment::variables(self);
        if variables.is_empty() && self.proxy.is_none() && self.dockerhub_mirror.is_none() {
            return Vec::new();
        }
        let proxy = self.told_proxy();
        let told = Told {
            http: proxy.and_then(|proxy| proxy.http.as_deref()),
            https: proxy.and_then(|proxy| proxy.https.as_deref()),
            no_proxy: proxy.and_then(|proxy| proxy.no_proxy.as_deref()),
            mirror: self.dockerhub_mirror.as_deref(),
            dotenv: variables,
        };
        vec![
            File::exact(paths::SERVICES_CONFIG, "0644", json!(told).to_string().as_bytes()),
            File::exact(paths::ENVIRONMENT, "0644", environment::shell(self).as_bytes()),
            File::script(paths::SERVICES_PROGRAM, include_str!("files/services.py")),
            File::script(paths::SERVICES, include_str!("files/services.sh")),
        ]
    }

    fn aproxy(&self) -> Vec<File> {
        let Some(proxy) = &self.proxy else { return Vec::new() };
        let Some(endpoint) = proxy.aproxy_endpoint() else { return Vec::new() };
        // The configuration lets nothing into these that a shell would heed.
        let config = format!(
            "PROXY='{endpoint}'\nPROXY_HOST='{}'\nEXCLUDE='{}'\nPORTS='{}'\n",
            endpoint.host,
            proxy.aproxy_exclude.join(", "),
            proxy.aproxy_ports.join(", "),
        );
        vec![
            File::exact(paths::APROXY_CONFIG, "0644", config.as_bytes()),
            File::script(paths::APROXY, include_str!("files/aproxy.sh")),
        ]
    }

    fn checks(&self) -> Vec<File> {
        let refuse = self.external_contributors == ExternalContributors::Refuse;
        if self.policy_url.is_none() && !refuse {
            return Vec::new();
        }
        let told = json!({"policy_url": self.policy_url, "refuse_external_contributors": refuse});
        vec![
            File::exact(paths::CHECKS_CONFIG, "0644", told.to_string().as_bytes()),
            File::script(paths::CHECKS, include_str!("files/checks.py")),
        ]
    }
}

/// The script as it is, and in one line what its failure means and how many seconds it has.
fn job_script(path: &'static str, script: &JobScript) -> [File; 2] {
    let policy = match script.on_failure {
        OnFailure::Fail => "fail",
        OnFailure::Ignore => "ignore",
    };
    let policy = format!("{policy} {}\n", whole_seconds(script.timeout));
    [
        File::exact(path, "0755", script.content.as_bytes()),
        File::exact(format!("{path}.policy"), "0644", policy.as_bytes()),
    ]
}

/// At least one: `timeout 0` and a timer of nothing mean no limit.
pub(super) fn whole_seconds(length: SignedDuration) -> i64 {
    length.as_secs().max(1)
}

impl File {
    /// With its content in base64: byte for byte, whatever YAML thinks of it.
    fn exact(
        path: impl Into<std::borrow::Cow<'static, str>>,
        permissions: &'static str,
        content: &[u8],
    ) -> Self {
        Self {
            path: path.into(),
            permissions,
            content: STANDARD.encode(content).into(),
            encoding: Some("b64"),
        }
    }
}

#[cfg(test)]
mod tests;
