//! Why a call to GitHub failed: what was tried and where outside, the kind inside, GitHub's own
//! words kept, and what to do about it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::request::Need;

/// A failed call: `could not {what was tried} of {target}: {why}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubError {
    // Boxed, so that every result does not carry room for it.
    inner: Box<Inner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    operation: &'static str,
    target: String,
    kind: GitHubErrorKind,
    need: Need,
    request_id: Option<String>,
}

/// Why a call failed. Where there is a `message`, it is in GitHub's own words, made one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GitHubErrorKind {
    /// The connection's options cannot be used. Found before anything is sent.
    #[error("{reason}")]
    Options {
        /// Why not.
        reason: String,
    },
    /// The token or the App's key is not accepted (401).
    #[error("GitHub does not accept the credential: {message}")]
    BadCredential {
        /// GitHub's words.
        message: String,
    },
    /// The credential may not do this (403).
    #[error("the credential may not do this: {message}")]
    MissingPermission {
        /// GitHub's words.
        message: String,
    },
    /// The organisation wants the token to be authorised for its single sign-on.
    #[error("the token is not authorised for the organisation's single sign-on: {message}")]
    SingleSignOn {
        /// GitHub's words.
        message: String,
    },
    /// This host's address is not on the organisation's or enterprise's list.
    #[error("this host's address is not allowed: {message}")]
    IpAllowList {
        /// GitHub's words.
        message: String,
    },
    /// The App is not installed where it would be needed.
    #[error("the GitHub App is not installed there")]
    NotInstalled,
    /// The App's installation is suspended.
    #[error("the App's installation is suspended: {message}")]
    Suspended {
        /// GitHub's words.
        message: String,
    },
    /// It is not there, or the credential cannot see it (404).
    #[error("GitHub does not find it: {message}")]
    NotFound {
        /// GitHub's words.
        message: String,
    },
    /// It has another name now (307, 308), and what was asked for is not led on.
    #[error("it was renamed or moved")]
    Moved,
    /// The organisation has no runner group of that name.
    #[error("there is no runner group \"{group}\"")]
    NoGroup {
        /// The name that was looked for.
        group: String,
    },
    /// The server is too old to make just-in-time configurations.
    #[error("this GitHub does not know just-in-time configurations")]
    NoJit,
    /// The repository may have no runners of its own.
    #[error("{message}")]
    RunnersDisabled {
        /// GitHub's words.
        message: String,
    },
    /// GitHub Actions is switched off.
    #[error("{message}")]
    ActionsDisabled {
        /// GitHub's words.
        message: String,
    },
    /// As many runners as there may be are registered.
    #[error("{message}")]
    LimitReached {
        /// GitHub's words.
        message: String,
    },
    /// The name is taken (409).
    #[error("the name is taken: {message}")]
    NameTaken {
        /// GitHub's words.
        message: String,
    },
    /// GitHub refuses the request as it is (400, 422).
    #[error("GitHub refuses it: {message}")]
    Invalid {
        /// GitHub's words.
        message: String,
    },
    /// The budget of requests is spent but for the reserve that removals have.
    #[error("the budget of requests is spent until {until}")]
    BudgetSpent {
        /// When GitHub gives a new one.
        until: Timestamp,
    },
    /// GitHub asked for a pause: a secondary rate limit.
    #[error("GitHub asked for a pause until {until}")]
    Paused {
        /// The end of the pause.
        until: Timestamp,
    },
    /// No answer came in time. What was asked for may have happened.
    #[error("no answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// GitHub could not be reached, or the connection broke.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// GitHub failed (5xx). What was asked for may have happened.
    #[error("GitHub failed (status {status}): {message}")]
    Server {
        /// HTTP status.
        status: u16,
        /// GitHub's words.
        message: String,
        /// When to try again, where GitHub tells.
        retry_at: Option<Timestamp>,
    },
    /// An answer that has no kind of its own.
    #[error("unexpected answer (status {status}): {message}")]
    Unexpected {
        /// HTTP status.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// An answer that is not what GitHub's documentation says.
    #[error("the answer cannot be read: {reason}")]
    Malformed {
        /// Where and how; never any part of the answer.
        reason: String,
    },
}

impl GitHubErrorKind {
    /// Whether the same call may succeed later with nobody doing anything.
    pub(super) fn is_transient(&self) -> bool {
        use GitHubErrorKind as Kind;
        match self {
            Kind::BudgetSpent { .. }
            | Kind::Paused { .. }
            | Kind::TimedOut { .. }
            | Kind::Unreachable { .. }
            | Kind::Server { .. } => true,
            Kind::Options { .. }
            | Kind::BadCredential { .. }
            | Kind::MissingPermission { .. }
            | Kind::SingleSignOn { .. }
            | Kind::IpAllowList { .. }
            | Kind::NotInstalled
            | Kind::Suspended { .. }
            | Kind::NotFound { .. }
            | Kind::Moved
            | Kind::NoGroup { .. }
            | Kind::NoJit
            | Kind::RunnersDisabled { .. }
            | Kind::ActionsDisabled { .. }
            | Kind::LimitReached { .. }
            | Kind::NameTaken { .. }
            | Kind::Invalid { .. }
            | Kind::Unexpected { .. }
            | Kind::Malformed { .. } => false,
        }
    }
}

impl GitHubError {
    pub(super) fn new(
        operation: &'static str,
        target: impl Into<String>,
        need: Need,
        kind: GitHubErrorKind,
    ) -> Self {
        let inner = Inner { operation, target: target.into(), kind, need, request_id: None };
        Self { inner: Box::new(inner) }
    }

    #[must_use]
    pub(super) fn with_request_id(mut self, id: Option<String>) -> Self {
        self.inner.request_id = id;
        self
    }

    #[must_use]
    pub(super) fn with_kind(mut self, kind: GitHubErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// Why it failed.
    pub fn kind(&self) -> &GitHubErrorKind {
        &self.inner.kind
    }

    /// GitHub's number of the request, which its support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id.as_deref()
    }

    /// Whether the same call may succeed later with nobody doing anything.
    pub fn is_transient(&self) -> bool {
        self.inner.kind.is_transient()
    }

    /// Whether what was asked for may have happened although no good answer came.
    pub(super) fn outcome_is_unknown(&self) -> bool {
        use GitHubErrorKind as Kind;
        matches!(
            self.inner.kind,
            Kind::TimedOut { .. } | Kind::Unreachable { .. } | Kind::Server { .. }
        )
    }

    /// Whether it is not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.inner.kind, GitHubErrorKind::NotFound { .. })
    }

    /// Before when it makes no sense to try again, where that is known.
    pub fn retry_at(&self) -> Option<Timestamp> {
        use GitHubErrorKind as Kind;
        if let Kind::BudgetSpent { until } | Kind::Paused { until } = self.inner.kind {
            return Some(until);
        }
        if let Kind::Server { retry_at, .. } = self.inner.kind { retry_at } else { None }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        use GitHubErrorKind as Kind;
        if matches!(self.inner.kind, Kind::MissingPermission { .. } | Kind::NotFound { .. }) {
            return Some(self.of_permission());
        }
        if let Kind::Unreachable { reason, .. } = &self.inner.kind {
            return Some(of_connecting(reason).to_owned());
        }
        of_kind(&self.inner.kind).map(str::to_owned)
    }

    fn of_permission(&self) -> String {
        let need = self.inner.need.in_words();
        let seen = matches!(self.inner.kind, GitHubErrorKind::NotFound { .. });
        match (seen, need) {
            (true, Some(need)) => {
                format!("look at the spelling; a credential that cannot see it needs {need}")
            }
            (true, None) => {
                "look at the spelling, and whether the credential can see it".to_owned()
            }
            (false, Some(need)) => format!("give the credential {need}"),
            (false, None) => "give the credential more permissions".to_owned(),
        }
    }
}

/// What to do about a kind, where it is the same for every call.
fn of_kind(kind: &GitHubErrorKind) -> Option<&'static str> {
    use GitHubErrorKind as Kind;
    let hint = match kind {
        Kind::BadCredential { .. } => {
            "the token is wrong, expired or revoked, or for an App the key is not the App's or \
             this host's clock is off by minutes: make a new one and put it into its file"
        }
        Kind::SingleSignOn { .. } => {
            "open the token's page at GitHub, \"Configure SSO\", and authorise it for the organisation"
        }
        Kind::IpAllowList { .. } => {
            "add this host's public address to the IP allow list in the organisation's or \
             enterprise's security settings"
        }
        Kind::NotInstalled => {
            "install the GitHub App in the organisation or for the repository, and look at the \
             App's id and the target's spelling"
        }
        Kind::Suspended { .. } => {
            "an owner has to unsuspend the App's installation in the settings, \"GitHub Apps\""
        }
        Kind::Moved => "give its new name in the configuration",
        Kind::NoGroup { .. } => {
            "make the runner group in the organisation's settings, \"Actions\", \"Runner groups\", \
             or give the name of one that exists; it is `default` where nothing is said"
        }
        Kind::NoJit => "set `credential = \"registration-token\"` for this GitHub",
        Kind::RunnersDisabled { .. } => {
            "allow runners of repositories in the organisation's settings, \"Actions\", \
             \"Runners\", or let the pool register at the organisation"
        }
        Kind::ActionsDisabled { .. } => "switch GitHub Actions on in the settings, \"Actions\"",
        Kind::LimitReached { .. } => {
            "remove runners that are offline from GitHub's list, or use another runner group"
        }
        Kind::TimedOut { .. } => "look whether this host reaches GitHub, and at githubstatus.com",
        Kind::Server { .. } => "look at githubstatus.com; larm tries again by itself",
        Kind::Options { .. }
        | Kind::MissingPermission { .. }
        | Kind::NotFound { .. }
        | Kind::NameTaken { .. }
        | Kind::Invalid { .. }
        | Kind::BudgetSpent { .. }
        | Kind::Paused { .. }
        | Kind::Unreachable { .. }
        | Kind::Unexpected { .. }
        | Kind::Malformed { .. } => return None,
    };
    Some(hint)
}

fn of_connecting(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    if reason.contains("certificate") || reason.contains("unknownissuer") {
        "the certificate is not trusted: put the authority that issued it into this host's store"
    } else if ["dns", "lookup", "resolve"].iter().any(|word| reason.contains(word)) {
        "the name cannot be resolved: look at its spelling and at this host's DNS"
    } else {
        "look whether this host reaches it: network, proxy, firewall"
    }
}

impl fmt::Display for GitHubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "could not {} of {}: {}",
            self.inner.operation, self.inner.target, self.inner.kind
        )?;
        match &self.inner.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for GitHubError {}
