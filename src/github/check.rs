//! Whether a credential and a target are as they have to be, told finding by finding: for those
//! who set larm up, and for those who look why it does not work.
//!
//! Nothing is changed at GitHub. Whether runners may be made is tried by asking for a registration
//! token, which is thrown away: a credential that may only read, and a place that allows no
//! runners, are not told by looking.

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::error::GitHubError;
use super::groups::Group;
use super::jobs::repository_path;
use super::repositories::RepositoryWire;
use super::request::{Call, Need};
use super::text::line;
use crate::model::GitHubPath;

/// The longest list of scopes that is shown, in characters.
const TEXT: usize = 300;

/// What kind of credential it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// A classic personal access token, with what it may do.
    Classic {
        /// `repo`, `admin:org`, ...
        scopes: Vec<String>,
    },
    /// A fine-grained personal access token; GitHub does not tell what it may do.
    FineGrained,
    /// A GitHub App.
    App,
    /// GitHub did not say.
    Unknown,
}

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it has to be.
    Good,
    /// Works, but perhaps not as is wanted.
    Warning,
    /// Does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `credential`, `target`, `runners`, `runner group`, `polling`.
    pub subject: &'static str,
    /// How it is to be taken.
    pub outcome: Outcome,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What kind of credential it is.
    pub credential: CredentialKind,
    /// In the order of looking.
    pub findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    private: bool,
    permissions: Option<Permissions>,
}

#[derive(Deserialize)]
struct Permissions {
    #[serde(default)]
    admin: bool,
}

#[derive(Serialize, Deserialize)]
struct Runs {
    total_count: usize,
}

impl Report {
    /// The worst of the findings.
    pub fn outcome(&self) -> Outcome {
        self.findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Good)
    }

    fn good(&mut self, subject: &'static str, text: impl Into<String>) {
        self.add(subject, Outcome::Good, text, None);
    }

    fn bad(&mut self, subject: &'static str, error: &GitHubError) {
        self.add(subject, Outcome::Bad, error.to_string(), error.hint());
    }

    fn add(
        &mut self,
        subject: &'static str,
        outcome: Outcome,
        text: impl Into<String>,
        hint: Option<String>,
    ) {
        self.findings.push(Finding { subject, outcome, text: text.into(), hint });
    }
}

impl Connection {
    /// Looks at the credential and a target, and tells what is good and what is not.
    ///
    /// Errors: only such as pass by themselves ([`GitHubError::is_transient`]); all others are
    /// findings.
    pub async fn check(&self, path: &GitHubPath) -> Result<Report, GitHubError> {
        let mut report = Report { credential: CredentialKind::Unknown, findings: Vec::new() };
        // Each look makes sense only where the one before found what it needs.
        let _complete = Box::pin(self.check_credential(path, &mut report)).await?
            && Box::pin(self.check_target(path, &mut report)).await?
            && Box::pin(self.check_runners(path, &mut report)).await?
            && Box::pin(self.check_group(path, &mut report)).await?
            && Box::pin(self.check_polling(path, &mut report)).await?;
        Ok(report)
    }

    /// Asking for the budget costs nothing and needs no permission.
    async fn check_credential(
        &self,
        path: &GitHubPath,
        report: &mut Report,
    ) -> Result<bool, GitHubError> {
        let call = Call::at("try the credential", path, Method::GET, "").needing(Need::Nothing);
        let done = match Box::pin(self.perform(&call.to("/rate_limit"))).await {
            Ok(done) => Some(done),
            // A server may have no budgets: "Rate limiting is not enabled."
            Err(error) if error.is_not_found() => None,
            Err(error) => return passes_or(error, "credential", report),
        };
        report.credential = self.credential_kind(done.as_ref().map(|done| &done.headers));
        let text = match &report.credential {
            CredentialKind::Classic { scopes } if scopes.is_empty() => {
                "a classic token without any scope".to_owned()
            }
            CredentialKind::Classic { scopes } => {
                line(&format!("a classic token with the scopes {}", scopes.join(", ")), TEXT)
            }
            CredentialKind::FineGrained => "a fine-grained token".to_owned(),
            CredentialKind::App => "a GitHub App that is installed there".to_owned(),
            CredentialKind::Unknown => "accepted".to_owned(),
        };
        let lacks = lacking(&report.credential, path);
        let outcome = if lacks.is_some() { Outcome::Warning } else { Outcome::Good };
        report.add("credential", outcome, text, lacks);
        Ok(true)
    }

    fn credential_kind(&self, headers: Option<&HeaderMap>) -> CredentialKind {
        if self.credentials().is_app() {
            return CredentialKind::App;
        }
        let scopes = headers.and_then(|headers| headers.get("x-oauth-scopes"));
        if let Some(scopes) = scopes.and_then(|scopes| scopes.to_str().ok()) {
            let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
            return CredentialKind::Classic { scopes: scopes.map(str::to_owned).collect() };
        }
        if self.credentials().is_fine_grained() {
            CredentialKind::FineGrained
        } else {
            CredentialKind::Unknown
        }
    }

    async fn check_target(
        &self,
        path: &GitHubPath,
        report: &mut Report,
    ) -> Result<bool, GitHubError> {
        let call = Call::at("look at the target", path, Method::GET, "").needing(Need::Nothing);
        let target: Target = match self.ask(&call).await {
            Ok(target) => target,
            Err(error) => return passes_or(error, "target", report),
        };
        let is_admin = target.permissions.is_none_or(|permissions| permissions.admin);
        if matches!(path, GitHubPath::Repo { .. }) && !is_admin {
            let hint = "let an admin of the repository make the token".to_owned();
            let text = format!("{path} is there, but the token's owner is no admin of it");
            report.add("target", Outcome::Warning, text, Some(hint));
        } else if matches!(path, GitHubPath::Repo { .. }) && !target.private {
            let hint = "anybody can run code on its runners with a pull request: let GitHub ask \
                        for approval in the settings, \"Actions\", \"General\"";
            let text = format!("{path} is there, and is public");
            report.add("target", Outcome::Warning, text, Some(hint.to_owned()));
        } else {
            report.good("target", format!("{path} is there"));
        }
        Ok(true)
    }

    async fn check_runners(
        &self,
        path: &GitHubPath,
        report: &mut Report,
    ) -> Result<bool, GitHubError> {
        let tried = match self.may_list_runners(path).await {
            Ok(()) => Box::pin(self.registration_token(path)).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match tried {
            Ok(()) => {
                report.good("runners", "the credential may list and register runners");
                Ok(true)
            }
            Err(error) => passes_or(error, "runners", report),
        }
    }

    async fn check_group(
        &self,
        path: &GitHubPath,
        report: &mut Report,
    ) -> Result<bool, GitHubError> {
        let Some(name) = path.group() else { return Ok(true) };
        match self.group(path, name).await {
            Ok(group) => {
                let (outcome, text, hint) = of_group(&group);
                report.add("runner group", outcome, text, hint.map(str::to_owned));
                Ok(true)
            }
            Err(error) => passes_or(error, "runner group", report).map(|_| true),
        }
    }

    /// Whether larm may look for jobs itself, which it need not where webhooks reach it.
    async fn check_polling(
        &self,
        path: &GitHubPath,
        report: &mut Report,
    ) -> Result<bool, GitHubError> {
        let repository = match path {
            GitHubPath::Repo { .. } => Some(path.clone()),
            GitHubPath::Org { .. } => match self.first_repository(path).await {
                Ok(found) => found,
                Err(error) => return passes_or(error, "polling", report),
            },
        };
        let Some(repository) = repository else {
            let hint = "give the token access to the repositories whose jobs are to be run";
            let text = "the credential sees no repository of the organisation";
            report.add("polling", Outcome::Warning, text, Some(hint.to_owned()));
            return Ok(true);
        };
        let rest = "/actions/runs?per_page=1";
        let call = Call::at("list the workflow runs", &repository, Method::GET, rest);
        match self.ask::<Runs>(&call.needing(Need::Actions)).await {
            Ok(_) => report.good("polling", format!("the runs of {repository} can be read")),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                report.add("polling", Outcome::Warning, error.to_string(), error.hint());
            }
        }
        Ok(true)
    }

    async fn first_repository(&self, path: &GitHubPath) -> Result<Option<GitHubPath>, GitHubError> {
        let rest = "/repos?sort=pushed&direction=desc&per_page=1";
        let call = Call::at("list the repositories", path, Method::GET, rest);
        let seen: Vec<RepositoryWire> = self.ask(&call.needing(Need::Nothing)).await?;
        Ok(seen.first().and_then(|repository| repository_path(&repository.full_name)))
    }
}

/// An error that does not pass by itself is a finding, and the end of looking.
fn passes_or(
    error: GitHubError,
    subject: &'static str,
    report: &mut Report,
) -> Result<bool, GitHubError> {
    if error.is_transient() {
        return Err(error);
    }
    report.bad(subject, &error);
    Ok(false)
}

/// What a classic token lacks.
fn lacking(kind: &CredentialKind, path: &GitHubPath) -> Option<String> {
    let CredentialKind::Classic { scopes } = kind else { return None };
    let has = |scope: &str| scopes.iter().any(|one| one == scope);
    let enough = match path {
        GitHubPath::Org { .. } => has("admin:org") || has("manage_runners:org"),
        GitHubPath::Repo { .. } => has("repo") || has("public_repo"),
    };
    let need = Need::runners(path).in_words().filter(|_| !enough)?;
    Some(format!("give the credential {need}"))
}

fn of_group(group: &Group) -> (Outcome, String, Option<&'static str>) {
    let name = line(&group.name, TEXT);
    if !group.allows_public_repositories {
        let hint = "jobs of public repositories will wait for ever: allow them in the \
                    organisation's settings, \"Actions\", \"Runner groups\", if they are wanted";
        let text = format!("the runner group \"{name}\" is closed to public repositories");
        return (Outcome::Warning, text, Some(hint));
    }
    if group.restricted_to_workflows {
        let hint = "jobs of other workflows will wait for ever";
        let text = format!("the runner group \"{name}\" is open to selected workflows only");
        return (Outcome::Warning, text, Some(hint));
    }
    if group.visibility == "selected" {
        let hint = "jobs of other repositories will wait for ever";
        let text = format!("the runner group \"{name}\" is open to selected repositories only");
        return (Outcome::Warning, text, Some(hint));
    }
    (Outcome::Good, format!("the runner group \"{name}\" is there"), None)
}
