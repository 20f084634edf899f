//! The runner application that GitHub gives out (GitHub REST API, "List runner applications"),
//! and until when a version of it works (`GET .../actions/runners/deprecations/VERSION`).

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::error::GitHubError;
use super::request::Call;
use super::text::{encoded, line};
use crate::model::{Deprecation, Download, GitHubPath};

/// GitHub registers no version below this one (GitHub changelog, "Self-hosted runner minimum
/// version enforcement"). Servers do not have this rule.
const FLOOR: [u64; 3] = [2, 329, 0];
/// The longest text that is kept, in characters.
const TEXT: usize = 1000;

#[derive(Serialize, Deserialize)]
struct DownloadWire {
    os: String,
    architecture: String,
    download_url: String,
    filename: String,
    sha256_checksum: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct DeprecationWire {
    runtime_deprecates_at: Option<Timestamp>,
}

impl Connection {
    /// The builds that GitHub gives out now. Builds whose file tells no version are left out.
    pub async fn downloads(&self, path: &GitHubPath) -> Result<Vec<Download>, GitHubError> {
        let rest = "/actions/runners/downloads";
        let call = Call::at("list the runner applications", path, Method::GET, rest);
        let builds: Vec<DownloadWire> = self.ask_kept(&call).await?;
        Ok(builds.into_iter().filter_map(build).collect())
    }

    /// Until when a version works. `None`: GitHub does not know it, or is a server that does not
    /// tell.
    pub async fn deprecation(
        &self,
        path: &GitHubPath,
        version: &str,
    ) -> Result<Option<Deprecation>, GitHubError> {
        let rest = format!("/actions/runners/deprecations/{}", encoded(version));
        let call = Call::at("look up a runner application's end", path, Method::GET, &rest);
        let of = |runtime_ends, too_old| {
            Some(Deprecation { version: version.to_owned(), runtime_ends, too_old })
        };
        match self.ask_kept::<DeprecationWire>(&call).await {
            Ok(known) => Ok(of(known.runtime_deprecates_at, false)),
            Err(error) if error.is_not_found() => {
                let too_old = !self.is_server() && numbers(version).is_some_and(|v| v < FLOOR);
                Ok(if too_old { of(None, true) } else { None })
            }
            Err(error) => Err(error),
        }
    }
}

fn build(wire: DownloadWire) -> Option<Download> {
    let sha256 = wire.sha256_checksum.map(|sum| sum.trim().to_ascii_lowercase());
    let sha256 = sha256.filter(|sum| sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit()));
    Some(Download {
        version: version_in(&wire.filename)?,
        os: line(&wire.os, TEXT),
        architecture: line(&wire.architecture, TEXT),
        url: line(&wire.download_url, TEXT),
        filename: line(&wire.filename, TEXT),
        sha256,
    })
}

/// The version in `actions-runner-linux-x64-2.335.1.tar.gz`. A file name that leads elsewhere has
/// none.
fn version_in(filename: &str) -> Option<String> {
    if filename.contains('/') {
        return None;
    }
    let stem = filename.strip_suffix(".tar.gz").or_else(|| filename.strip_suffix(".zip"))?;
    let version = stem.rsplit('-').next()?;
    numbers(version).map(|_| version.to_owned())
}

fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.split('.').map(|part| part.parse::<u64>().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_file_name() {
        let version = version_in("actions-runner-linux-x64-2.335.1.tar.gz");
        assert_eq!(version.as_deref(), Some("2.335.1"));
        assert_eq!(version_in("actions-runner-win-x64-2.335.1.zip").as_deref(), Some("2.335.1"));
        for wrong in ["", "x.tar.gz", "a-1.2.tar.gz", "a-1.2.3.4.zip", "../a-1.2.3.zip", "a-1.2.3"]
        {
            assert_eq!(version_in(wrong), None, "{wrong}");
        }
        assert!(numbers("2.328.9").unwrap() < FLOOR && numbers("2.1000.0").unwrap() > FLOOR);
    }
}
