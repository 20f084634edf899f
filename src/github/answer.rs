//! From GitHub's refusals to the kinds of our errors. GitHub tells the same status for many
//! reasons, so its words decide where they are known.

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::budget::Limits;
use super::error::GitHubErrorKind;
use super::text;

/// The longest that GitHub's words may be, in characters.
const MESSAGE: usize = 300;
/// How long GitHub's documentation tells to wait after a secondary rate limit that says nothing.
const PAUSE: i64 = 60;
/// No pause is shorter: GitHub that refuses is not asked again at once.
const SHORTEST_PAUSE: i64 = 5;
/// No pause is longer, whatever a proxy in between says.
const LONGEST_PAUSE: i64 = 3600;

/// The parts of an answer that say why it is a refusal.
pub(super) struct Refusal<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) now: Timestamp,
}

#[derive(Deserialize)]
struct Said {
    message: Option<String>,
    #[serde(default)]
    errors: serde_json::Value,
}

impl Refusal<'_> {
    /// Why it was refused.
    pub(super) fn kind(&self) -> GitHubErrorKind {
        let message = self.message();
        let lower = message.to_ascii_lowercase();
        if let Some(kind) = self.of_rate(&lower) {
            return kind;
        }
        if let Some(kind) = self.of_words(&lower, &message) {
            return kind;
        }
        let status = self.status.as_u16();
        match status {
            // What has no body is led on to the new name; the rest is not.
            300..400 => GitHubErrorKind::Moved,
            401 => GitHubErrorKind::BadCredential { message },
            403 => GitHubErrorKind::MissingPermission { message },
            404 | 410 => GitHubErrorKind::NotFound { message },
            409 => GitHubErrorKind::NameTaken { message },
            400 | 422 => GitHubErrorKind::Invalid { message },
            500.. => GitHubErrorKind::Server { status, message, retry_at: self.retry_after() },
            _ => GitHubErrorKind::Unexpected { status, message },
        }
    }

    /// Rate limits (GitHub documentation, "Rate limits for the REST API").
    fn of_rate(&self, lower: &str) -> Option<GitHubErrorKind> {
        if !matches!(self.status.as_u16(), 403 | 429) {
            return None;
        }
        let limits = Limits::read(self.headers, self.now);
        if let Some(limits) = limits.filter(|limits| limits.remaining == 0) {
            // Where this host's clock is fast, the window seems to be over and is not.
            let until = limits.until.max(later(self.now, SHORTEST_PAUSE));
            return Some(GitHubErrorKind::BudgetSpent { until });
        }
        let secondary = lower.contains("secondary rate limit") || lower.contains("abuse detection");
        let asked = self.retry_after();
        if self.status == StatusCode::TOO_MANY_REQUESTS || secondary || asked.is_some() {
            let until = asked.unwrap_or_else(|| later(self.now, PAUSE));
            return Some(GitHubErrorKind::Paused { until });
        }
        None
    }

    fn of_words(&self, lower: &str, message: &str) -> Option<GitHubErrorKind> {
        if !self.status.is_client_error() {
            return None;
        }
        let message = message.to_owned();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        let kind = if self.headers.contains_key("x-github-sso") || says(&["saml", "single sign-on"])
        {
            GitHubErrorKind::SingleSignOn { message }
        } else if says(&["ip allow list"]) {
            GitHubErrorKind::IpAllowList { message }
        } else if says(&["self-hosted runners are disabled", "self-hosted runners is disabled"]) {
            GitHubErrorKind::RunnersDisabled { message }
        } else if says(&["actions is disabled", "actions has been disabled", "actions disabled"]) {
            GitHubErrorKind::ActionsDisabled { message }
        } else if says(&["max limit of", "maximum number of", "maximum limit"]) {
            GitHubErrorKind::LimitReached { message }
        } else if says(&["suspended"]) {
            GitHubErrorKind::Suspended { message }
        } else {
            return None;
        };
        Some(kind)
    }

    /// GitHub's words, and of its list of errors what it says more.
    pub(super) fn message(&self) -> String {
        let Ok(said) = serde_json::from_slice::<Said>(self.body) else {
            return self.status.canonical_reason().unwrap_or("no reason given").to_owned();
        };
        let mut words = vec![said.message.unwrap_or_default()];
        for error in said.errors.as_array().into_iter().flatten().take(3) {
            let more = error.get("message").and_then(serde_json::Value::as_str);
            words.extend(more.or_else(|| error.as_str()).map(str::to_owned));
        }
        if let Some(one) = said.errors.as_str() {
            words.push(one.to_owned());
        }
        text::line(&words.join("; "), MESSAGE)
    }

    fn retry_after(&self) -> Option<Timestamp> {
        let seconds = self.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
        let seconds: i64 = seconds.trim().parse().ok()?;
        Some(later(self.now, seconds.clamp(0, LONGEST_PAUSE)))
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}
