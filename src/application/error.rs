//! Why an archive could not be had, and what to do about it.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why an archive could not be had.
#[derive(Debug, thiserror::Error)]
#[error("failed to fetch {url}")]
pub struct FetchError {
    /// Where it was to come from.
    pub url: String,
    /// What went wrong.
    #[source]
    pub kind: FetchErrorKind,
}

/// What went wrong with a fetch.
#[derive(Debug, thiserror::Error)]
pub enum FetchErrorKind {
    /// What is wanted cannot be.
    #[error("{0}")]
    Wanted(String),
    /// A file or directory of the cache cannot be used.
    #[error("failed to {doing} {path}", path = .path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    /// The server could not be reached.
    #[error("the server could not be reached: {reason}")]
    Unreachable {
        /// Why: DNS, TCP or TLS.
        reason: String,
    },
    /// The server answered with another status than success.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// The transfer broke.
    #[error("the transfer broke after {done} bytes: {reason}")]
    Broken {
        /// How much was there.
        done: u64,
        /// Why.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("nothing came for {} s", .0.as_secs())]
    Stalled(Duration),
    /// It is larger than any runner application.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// It is not what was wanted.
    #[error("its SHA-256 is {found}, and not {wanted}")]
    Checksum {
        /// The one that was wanted.
        wanted: String,
        /// The one that came.
        found: String,
    },
}

impl FetchError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            FetchErrorKind::Disk { source, path, .. } => disk_hint(source, path),
            FetchErrorKind::Unreachable { reason } => Some(network_hint(reason).to_owned()),
            FetchErrorKind::Status(401 | 403 | 404 | 410) => {
                Some("look whether the URL is right: it must need no login".to_owned())
            }
            FetchErrorKind::Status(429 | 500..) | FetchErrorKind::Broken { .. } => {
                Some("it is tried again, and goes on where it broke off".to_owned())
            }
            FetchErrorKind::Stalled(_) => {
                Some("look whether a proxy or firewall holds the transfer up".to_owned())
            }
            FetchErrorKind::Checksum { .. } => Some(
                "compare the SHA-256 with the one on the release's page: either it is wrong, or \
                 somebody has changed the file"
                    .to_owned(),
            ),
            FetchErrorKind::TooLarge(_) => {
                Some("look whether the URL is that of a runner application".to_owned())
            }
            FetchErrorKind::Wanted(_) | FetchErrorKind::Client(_) | FetchErrorKind::Status(_) => {
                None
            }
        }
    }

    /// Whether the same may well succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }
}

impl FetchErrorKind {
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Stalled(_) => true,
            Self::Status(code) => matches!(code, 408 | 429 | 500..),
            Self::Wanted(_)
            | Self::Disk { .. }
            | Self::Client(_)
            | Self::TooLarge(_)
            | Self::Checksum { .. } => false,
        }
    }

    pub(super) fn disk(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Disk { doing, path: path.to_owned(), source }
    }

    /// What became of a request. The URL is left out: it may be one that was redirected to, with a
    /// signature in it.
    pub(super) fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable { reason: deepest(&error.without_url()) }
    }
}

/// The words of the last cause, which are the only ones that say something.
pub(super) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let chain =
        std::iter::successors(Some(error), |cause: &&(dyn StdError + 'static)| (*cause).source());
    chain.last().map(ToString::to_string).unwrap_or_default()
}

fn disk_hint(error: &io::Error, path: &Path) -> Option<String> {
    let dir = path.parent().unwrap_or(path).display();
    let is_any = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
    if is_any(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
        Some(format!("make room on the disk of {dir}: an archive has about 220 MB"))
    } else if is_any(&[io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem]) {
        Some(format!("the daemon must be able to write in {dir}"))
    } else {
        None
    }
}

fn network_hint(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    if reason.contains("certificate") || reason.contains("tls") {
        "the server's certificate is not trusted: look at the clock, and at the host's CA \
         certificates if a proxy looks into TLS"
    } else if reason.contains("dns") || reason.contains("lookup") || reason.contains("name or") {
        "the name could not be resolved: look at the host's DNS"
    } else {
        "look whether this host can reach the server; HTTPS_PROXY is honoured"
    }
}
