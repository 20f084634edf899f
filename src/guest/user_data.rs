//! The user-data of an instance, as typed structs that are written as YAML.
//!
//! It installs the guest script, the hooks and the two units, makes the user that jobs run as, and
//! its last command blocks until the runner has ended: that is what makes `cloud-init status` say
//! "running" meanwhile (cloud-init documentation, "Module reference": `write_files`, `users`,
//! `runcmd`). There is no secret in it, and no field that could hold one.

use std::borrow::Cow;

use jiff::SignedDuration;
use serde::Serialize;

use super::paths;
use super::services::{GuestServices, whole_seconds};

/// What user-data is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserData {
    /// Where the runner application comes from.
    pub runner: RunnerSource,
    /// What guests are given beside it.
    pub services: GuestServices,
    /// How long a guest lives at most before it takes a credential, and again with it; then it powers
    /// itself off. For ever without it.
    pub lifetime: Option<SignedDuration>,
}

/// Where the runner application comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RunnerSource {
    /// It is in the image, at [`paths::APPLICATION`].
    #[default]
    Image,
    /// The guest downloads its tar archive.
    Download {
        /// The archive's http(s) URL.
        url: String,
        /// Its SHA-256, in hexadecimal.
        sha256: String,
    },
    /// The host pushes its tar archive, as [`super::application`] tells.
    Pushed,
}

/// Why user-data cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum UserDataError {
    /// The archive's URL is none that the guest could download from.
    #[error("\"{0}\" is no http or https URL without a user name in it")]
    Url(String),
    /// The checksum is none.
    #[error("\"{0}\" is no SHA-256: write 64 hexadecimal digits")]
    Sha256(String),
    /// The YAML writer failed.
    #[error("the user-data cannot be written as YAML")]
    Yaml(#[source] serde_saphyr::ser::Error),
}

/// The user-data's text, for the instance's `cloud-init.user-data`.
pub fn render(data: &UserData) -> Result<String, UserDataError> {
    let config = CloudConfig {
        users: [User {
            name: paths::USER,
            gecos: "GitHub Actions runner",
            shell: "/bin/bash",
            groups: ["adm", "docker"],
            sudo: "ALL=(ALL) NOPASSWD:ALL",
            lock_passwd: true,
        }],
        write_files: files(data),
        runcmd: [prepare(&data.runner)?, vec![paths::SCRIPT.to_owned(), "wait".to_owned()]],
    };
    let yaml = serde_saphyr::to_string(&config).map_err(UserDataError::Yaml)?;
    Ok(format!("#cloud-config\n{yaml}"))
}

#[derive(Serialize)]
struct CloudConfig {
    users: [User; 1],
    write_files: Vec<File>,
    runcmd: [Vec<String>; 2],
}

#[derive(Serialize)]
struct User {
    name: &'static str,
    gecos: &'static str,
    shell: &'static str,
    groups: [&'static str; 2],
    sudo: &'static str,
    lock_passwd: bool,
}

/// A file for cloud-init to write; its owner is root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct File {
    pub(super) path: Cow<'static, str>,
    pub(super) permissions: &'static str,
    pub(super) content: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding: Option<&'static str>,
}

impl File {
    pub(super) fn script(path: &'static str, content: &'static str) -> Self {
        Self { permissions: "0755", ..Self::unit(path, content) }
    }

    fn unit(path: &'static str, content: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), permissions: "0644", content: content.into(), encoding: None }
    }
}

fn files(data: &UserData) -> Vec<File> {
    let (script, unit) = (File::script, |path, content: &'static str| File::unit(path, content));
    let mut files = vec![
        unit(paths::RUNNER_SERVICE, include_str!("files/larm-runner.service")),
        unit(paths::RUNNER_PATH, include_str!("files/larm-runner.path")),
        script(paths::HOOK_JOB_STARTED, include_str!("files/job-started.sh")),
        script(paths::HOOK_JOB_COMPLETED, include_str!("files/job-completed.sh")),
        unit(paths::STATE_SCRIPT, include_str!("files/state.sh")),
    ];
    if data.runner == RunnerSource::Pushed {
        files.extend([
            unit(paths::APPLICATION_SERVICE, include_str!("files/larm-application.service")),
            unit(paths::APPLICATION_PATH, include_str!("files/larm-application.path")),
        ]);
    }
    files.extend(data.services.files());
    files.extend(data.lifetime.map(lifetime).into_iter().flatten());
    // Last: a watch waits for this one.
    files.push(script(paths::SCRIPT, include_str!("files/guest.sh")));
    files
}

/// The units that end the guest.
fn lifetime(length: SignedDuration) -> [File; 2] {
    let timer = format!(
        "[Unit]\nDescription=larm: wait until the guest's lifetime is over\n\n\
         [Timer]\nOnActiveSec={}s\nAccuracySec=1s\n",
        whole_seconds(length),
    );
    let service = include_str!("files/larm-lifetime.service");
    [File::unit(paths::LIFETIME_SERVICE, service), File::unit(paths::LIFETIME_TIMER, timer)]
}

fn prepare(runner: &RunnerSource) -> Result<Vec<String>, UserDataError> {
    let mut words = vec![paths::SCRIPT.to_owned(), "prepare".to_owned()];
    match runner {
        RunnerSource::Image => {}
        RunnerSource::Download { url, sha256 } => {
            words.extend([checked_url(url)?, checked_sha256(sha256)?]);
        }
        RunnerSource::Pushed => words.push("pushed".to_owned()),
    }
    Ok(words)
}

/// A user name or password in the URL would be a secret in user-data.
fn checked_url(url: &str) -> Result<String, UserDataError> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
    if host.is_empty() || host.contains('@') || !url.chars().all(|c| c.is_ascii_graphic()) {
        return Err(UserDataError::Url(without_user(url)));
    }
    Ok(url.to_owned())
}

/// What may be shown of a URL that is refused.
fn without_user(url: &str) -> String {
    url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, rest)| format!("...@{rest}"))
}

fn checked_sha256(sha256: &str) -> Result<String, UserDataError> {
    if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(sha256.to_ascii_lowercase())
    } else {
        Err(UserDataError::Sha256(sha256.to_owned()))
    }
}

#[cfg(test)]
#[path = "user_data/tests.rs"]
mod tests;
