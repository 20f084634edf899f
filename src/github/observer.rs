//! Who is told how GitHub answers: how long each request took, and what failed.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::error::{GitHubError, GitHubErrorKind};
use super::request::Call;

/// Is told how GitHub answers. Must not wait.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request was answered, or failed.
    fn request(&self, seen: Observed);
}

/// One request. Its words are from a fixed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// What was tried, like `list the runners`.
    pub what: &'static str,
    /// How long it took; `None` where it was not sent, because GitHub would have refused it.
    pub took: Option<Duration>,
    /// What kind of failure it was, if it failed.
    pub error: Option<&'static str>,
}

impl Observed {
    pub(super) fn of<T>(call: &Call, begin: Instant, result: &Result<T, GitHubError>) -> Self {
        let kind = result.as_ref().err().map(GitHubError::kind);
        let sent = !kind.is_some_and(GitHubErrorKind::is_before_sending);
        Self {
            what: call.operation,
            took: sent.then(|| begin.elapsed()),
            error: kind.map(GitHubErrorKind::word),
        }
    }
}

impl GitHubErrorKind {
    /// Whether nothing was sent. Of a pause GitHub may have told just now; it is as rare.
    fn is_before_sending(&self) -> bool {
        matches!(self, Self::Options { .. } | Self::BudgetSpent { .. } | Self::Paused { .. })
    }

    /// The word for it, which stays the same whatever GitHub says.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Options { .. } => "options",
            Self::BadCredential { .. } => "bad-credential",
            Self::MissingPermission { .. } => "missing-permission",
            Self::SingleSignOn { .. } => "single-sign-on",
            Self::IpAllowList { .. } => "ip-allow-list",
            Self::NotInstalled => "not-installed",
            Self::Suspended { .. } => "suspended",
            Self::NotFound { .. } => "not-found",
            Self::Moved => "moved",
            Self::NoGroup { .. } => "no-group",
            Self::NoJit => "no-jit",
            Self::RunnersDisabled { .. } => "runners-disabled",
            Self::ActionsDisabled { .. } => "actions-disabled",
            Self::LimitReached { .. } => "limit-reached",
            Self::NameTaken { .. } => "name-taken",
            Self::Invalid { .. } => "invalid",
            Self::BudgetSpent { .. } => "budget-spent",
            Self::Paused { .. } => "paused",
            Self::TimedOut { .. } => "timed-out",
            Self::Unreachable { .. } => "unreachable",
            Self::Server { .. } => "server",
            Self::Unexpected { .. } => "unexpected",
            Self::Malformed { .. } => "malformed",
        }
    }
}
