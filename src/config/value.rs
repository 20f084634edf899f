//! Single values, each checked where it is read: the error then has its file, line and column.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::group::Group;
use crate::model::{LONGEST_HOLD, NamePrefix};

/// What instance names begin with.
#[derive(Debug, Deserialize)]
pub(super) struct Prefix(pub(super) NamePrefix);

/// A path from the root.
#[derive(Debug, Deserialize)]
#[serde(try_from = "PathBuf")]
pub(super) struct AbsolutePath(pub(super) PathBuf);

/// A group of this machine by its name or number; nobody's if empty.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct GroupName(pub(super) Option<Group>);

/// A filter of `tracing-subscriber`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct LogFilter(pub(super) String);

/// The name of something in LXD, or of a pool of runners.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(pub(super) String);

/// An image's alias; LXD allows slashes in it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ImageAlias(pub(super) String);

/// An http or https URL, without a slash at the end.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct WebUrl(pub(super) String);

/// 64 hexadecimal digits, made lower-case.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Sha256(pub(super) String);

/// A length of time, longer than none: "90s", "5m", "1h 30m".
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Length(pub(super) SignedDuration);

/// How long an instance may be held: at most [`LONGEST_HOLD`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct HoldLength(pub(super) SignedDuration);

/// How often something is done, or "off".
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Poll(pub(super) Option<Duration>);

/// A GitHub App's id (a number) or client id.
#[derive(Debug)]
pub(super) struct AppId(pub(super) String);

/// No deadline needs more, and arithmetic on times never comes near its limits.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

impl Default for Prefix {
    fn default() -> Self {
        // The literal is a prefix; a test builds it.
        #[expect(clippy::expect_used, reason = "a literal that a test builds")]
        Self("larm".parse().expect("the default prefix"))
    }
}

impl Length {
    pub(super) fn unsigned(self) -> Duration {
        self.0.unsigned_abs()
    }
}

impl TryFrom<PathBuf> for AbsolutePath {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        if path.is_absolute() && path != Path::new("/") {
            return Ok(Self(path));
        }
        Err(format!("\"{}\" is no absolute path of a file or directory", path.display()))
    }
}

impl TryFrom<String> for GroupName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        if text.contains([':', ',', '\n', ' ', '\0']) {
            return Err(format!("{text:?} is no group's name"));
        }
        match Group::find(&text) {
            Ok(Some(group)) => Ok(Self(Some(group))),
            Ok(None) => Err(format!(
                "there is no group {text:?} on this machine: create it with `groupadd --system {text}`"
            )),
            Err(error) => Err(format!("the groups of this machine cannot be read: {error}")),
        }
    }
}

impl TryFrom<String> for LogFilter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        EnvFilter::try_new(&text)
            .map_err(|error| format!("{text:?} is no log filter, like \"info\": {error}"))?;
        Ok(Self(text))
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let plain = text.chars().all(allowed) && text.chars().any(|c| c != '.');
        if plain && text.len() <= 63 {
            return Ok(Self(text));
        }
        Err(format!(
            "{text:?} is no name: use up to 63 letters, digits, hyphens, underscores and dots"
        ))
    }
}

impl TryFrom<String> for ImageAlias {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let usable = |c: char| !c.is_whitespace() && !c.is_control() && c != ':';
        if !text.is_empty() && text.len() <= 255 && text.chars().all(usable) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no image alias of the local LXD"))
    }
}

impl TryFrom<String> for WebUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url: Result<http::Uri, _> = text.parse();
        let usable = url.is_ok_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.host().is_some_and(|host| !host.is_empty())
                // A password in a URL would end up in logs and in user-data.
                && url.authority().is_some_and(|all| !all.as_str().contains('@'))
        });
        if usable {
            return Ok(Self(text.trim_end_matches('/').to_owned()));
        }
        Err("this is no http or https URL (one without user name and password)".to_owned())
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!("{text:?} is no SHA-256: it has 64 hexadecimal digits"))
    }
}

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.parse().ok().or_else(|| with_days(&text));
        let length: SignedDuration = parsed.ok_or_else(|| {
            format!("{text:?} is no length of time: write \"90s\", \"5m\", \"2h 30m\", \"5d\"")
        })?;
        if length <= SignedDuration::ZERO || length > LONGEST {
            return Err(format!("{text:?} is not between 1ns and 366 days"));
        }
        Ok(Self(length))
    }
}

impl TryFrom<String> for HoldLength {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = Length::try_from(text)?;
        if length.0 > LONGEST_HOLD {
            return Err(format!("an instance is held for {LONGEST_HOLD:#} at most"));
        }
        Ok(Self(length.0))
    }
}

/// How long an instance may be held, as the configuration and the command line have it: "4h", "7d".
pub fn hold_length(text: &str) -> Result<SignedDuration, String> {
    HoldLength::try_from(text.to_owned()).map(|length| length.0)
}

/// A day has 24 hours here.
fn with_days(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

impl TryFrom<String> for Poll {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let length = Length::try_from(text).map_err(|wrong| format!("{wrong}, or \"off\""))?;
        Ok(Self(Some(length.unsigned())))
    }
}

impl TryFrom<String> for AppId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !text.is_empty() && text.len() <= 100 && text.chars().all(allowed) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is neither the id nor the client id of a GitHub App"))
    }
}
