//! Checks of what the configuration says of GitHub: each account with each of its pools' targets,
//! and the place where webhooks come in.

use std::io;
use std::net::TcpListener;

use super::check::{Check, Status};
use crate::config::{ConnectionSettings, CredentialError, Settings, WebhookSettings};
use crate::daemon::{self, AccountError};
use crate::github::{self, Finding, Outcome};
use crate::model::{DEFAULT_CONNECTION, GitHubPath};

const NAME: &str = "github";
const WEBHOOK: &str = "webhook";

/// Asks GitHub about each target of each connection that has a credential.
pub(super) async fn check(settings: &Settings) -> Vec<Check> {
    let mut checks = Vec::new();
    for connection in settings.connections.iter().filter(|one| one.auth.is_some()) {
        checks.extend(Box::pin(check_connection(connection, settings)).await);
    }
    checks
}

async fn check_connection(settings: &ConnectionSettings, all: &Settings) -> Vec<Check> {
    let name = &settings.name;
    let connection = match daemon::connect(settings) {
        Ok(Some(connection)) => connection,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![unusable(name, &error)],
    };
    let mut paths: Vec<&GitHubPath> = Vec::new();
    for pool in all.pools.iter().filter(|pool| pool.target.connection == *name) {
        if !paths.contains(&&pool.target.path) {
            paths.push(&pool.target.path);
        }
    }
    let mut checks = Vec::new();
    for path in paths {
        let place = place(name, path);
        match Box::pin(connection.check(path)).await {
            Ok(report) => checks.extend(report.findings.iter().map(|one| of_finding(&place, one))),
            Err(error) => checks.push(away(&place, &error)),
        }
    }
    checks
}

/// The target, and by which connection if there is a choice.
fn place(connection: &str, path: &GitHubPath) -> String {
    if connection == DEFAULT_CONNECTION {
        path.to_string()
    } else {
        format!("{path} by {connection}")
    }
}

fn unusable(name: &str, error: &AccountError) -> Check {
    let detail = format!("connection {name}: {error}");
    if let AccountError::Secret(CredentialError::NoDirectory { .. }) = error {
        let fix = "only the service can read it: `larm pool list` tells what GitHub says to it";
        return Check::warn(NAME, detail, fix);
    }
    let fix = error.hint().unwrap_or_else(|| "see the configuration".to_owned());
    Check::fail(NAME, detail, fix)
}

fn away(place: &str, error: &github::GitHubError) -> Check {
    let fix = error.hint().unwrap_or_else(|| "is this machine online?".to_owned());
    Check::fail(NAME, format!("{place}: {error}"), fix)
}

fn of_finding(place: &str, finding: &Finding) -> Check {
    let Finding { subject, outcome, text, hint } = finding;
    let status = match outcome {
        Outcome::Good => Status::Ok,
        Outcome::Warning => Status::Warn,
        Outcome::Bad => Status::Fail,
    };
    Check { name: NAME, status, detail: format!("{place}: {subject}: {text}"), fix: hint.clone() }
}

/// Whether webhooks can come in. A daemon that could not listen would not run.
pub(super) fn webhook(webhook: &WebhookSettings, daemon_runs: bool) -> Check {
    let address = webhook.listen;
    let secret = webhook.secret_file.read().err();
    if let Some(error) =
        secret.filter(|error| !matches!(error, CredentialError::NoDirectory { .. }))
    {
        let fix = error.hint().unwrap_or_else(|| "see `webhook.secret_file`".to_owned());
        return Check::fail(WEBHOOK, error.to_string(), fix);
    }
    match TcpListener::bind(address) {
        Ok(_) if daemon_runs => Check::warn(
            WEBHOOK,
            format!("the daemon does not listen on {address}"),
            "`systemctl restart larm`: a reload does not change where webhooks come in",
        ),
        Ok(_) => Check::ok(WEBHOOK, format!("{address} is free for the daemon")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && daemon_runs => {
            Check::ok(WEBHOOK, format!("received on {address}{}", webhook.path))
        }
        Err(error) => Check::fail(
            WEBHOOK,
            format!("cannot listen on {address}: {error}"),
            "give another `webhook.listen`, or end what listens there",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn where_webhooks_come_in_is_free_or_the_daemons() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = |secret: PathBuf| WebhookSettings {
            listen: taken.local_addr().unwrap(),
            secret_file: secret.try_into().unwrap(),
            path: "/webhook".to_owned(),
            url: None,
        };
        assert_eq!(webhook(&settings(secret.clone()), true).status, Status::Ok);
        let stranger = webhook(&settings(secret.clone()), false);
        assert_eq!(stranger.status, Status::Fail);
        assert!(stranger.detail.starts_with("cannot listen on 127.0.0.1:"), "{}", stranger.detail);
        let lost = webhook(&settings(folder.path().join("none")), true);
        assert_eq!(lost.status, Status::Fail);
        let settings = settings(secret);
        drop(taken);
        assert_eq!(webhook(&settings, false).status, Status::Ok);
        assert_eq!(webhook(&settings, true).status, Status::Warn);
    }
}
