//! Where a build takes the runner application from: a file, or as the daemon does, the
//! configuration's archive or the newest that GitHub lists.

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::application::{Cached, Wanted, choose, host_architecture};
use crate::cli::report::CliError;
use crate::clock;
use crate::config::Settings;
use crate::daemon::{self, Origin};
use crate::github::Connection;

/// The archive that is put into the image.
pub(super) async fn archive(
    settings: &Settings,
    file: Option<&Path>,
) -> Result<Option<Cached>, CliError> {
    if let Some(file) = file {
        return of_file(file).map(Some);
    }
    let wanted = match daemon::application_origin(settings) {
        Origin::Fixed(tarball) => Wanted::at(&tarball.url, &tarball.sha256),
        Origin::GitHub => newest(settings).await?,
        Origin::Image => return Ok(None),
    };
    let cache = daemon::application_cache(&settings.state_dir);
    let fetched = cache.fetch(&wanted, |_| {}).await;
    fetched.map(Some).map_err(|error| CliError::GitHubAway {
        message: format!("{error}: {}", error.kind),
        hint: error.hint().unwrap_or_else(|| "or give it with --application FILE".to_owned()),
    })
}

fn of_file(file: &Path) -> Result<Cached, CliError> {
    let failed = |source| CliError::Io { what: format!("read {}", file.display()), source };
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file).map_err(failed)?, &mut hash).map_err(failed)?;
    let sha256 = format!("{:x}", hash.finalize());
    let version = Wanted::at(&file.to_string_lossy(), &sha256).version;
    Ok(Cached { version, path: file.to_owned(), sha256 })
}

/// The newest that GitHub lists for one of the pools; the first account that answers is believed.
async fn newest(settings: &Settings) -> Result<Wanted, CliError> {
    let away = |message: String, hint: Option<String>| CliError::GitHubAway {
        message,
        hint: hint.unwrap_or_else(|| "or give the application with --application FILE".to_owned()),
    };
    let mut last = away("no pool says where GitHub is to be asked".to_owned(), None);
    for pool in &settings.pools {
        let connection = settings.connections.iter().find(|one| one.name == pool.target.connection);
        let connection = match connection.map(daemon::connect) {
            Some(Ok(Some(connection))) => connection,
            Some(Ok(None)) | None => continue,
            Some(Err(error)) => {
                last = away(error.to_string(), error.hint());
                continue;
            }
        };
        match ask(&connection, &pool.target.path).await {
            Ok(wanted) => return Ok(wanted),
            Err((message, hint)) => last = away(message, hint),
        }
    }
    Err(last)
}

async fn ask(
    connection: &Connection,
    path: &crate::model::GitHubPath,
) -> Result<Wanted, (String, Option<String>)> {
    let words = |error: crate::github::GitHubError| (error.to_string(), error.hint());
    let architecture = host_architecture()
        .ok_or_else(|| ("GitHub offers no runner for this machine".to_owned(), None))?;
    let downloads = connection.downloads(path).await.map_err(words)?;
    let mut ends = Vec::new();
    for one in downloads.iter().filter(|one| one.os == "linux" && one.architecture == architecture)
    {
        ends.extend(connection.deprecation(path, &one.version).await.map_err(words)?);
    }
    let choice = choose(&downloads, &ends, architecture, clock::now());
    choice.map(|choice| choice.wanted).map_err(|error| (error.to_string(), None))
}
