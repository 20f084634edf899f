//! Check of the runner application: that guests find it, or are told where to get it.

use super::check::Check;
use crate::config::Settings;
use crate::daemon::{self, Origin};
use crate::guest::paths::APPLICATION;

const NAME: &str = "runner application";

/// Where guests get the application from. `in_image` is what a look inside has found.
pub(super) async fn check(settings: &Settings, in_image: Option<bool>) -> Check {
    let kept = match daemon::application_cache(&settings.state_dir).list().await {
        Ok(mut kept) => Ok(kept.pop().map(|newest| newest.version)),
        Err(error) => Err(error.to_string()),
    };
    judge(&daemon::application_origin(settings), kept, in_image)
}

/// `kept` is the newest version that this host has.
fn judge(origin: &Origin, kept: Result<Option<String>, String>, in_image: Option<bool>) -> Check {
    let configure = "set `url` and `sha256` in [runner]";
    match (origin, in_image) {
        (Origin::Fixed(tarball), _) => Check::ok(
            NAME,
            format!("this host fetches {} and gives it to guests", file(&tarball.url)),
        ),
        (Origin::GitHub, _) => of_github(kept),
        (Origin::Image, Some(true)) => Check::ok(NAME, format!("in the image, in {APPLICATION}")),
        (Origin::Image, Some(false)) => Check::fail(
            NAME,
            format!("the image has none in {APPLICATION}"),
            format!("{configure}, or put it there"),
        ),
        (Origin::Image, None) => Check::warn(
            NAME,
            format!(
                "no `url` says where guests get it, so it must be in the image, in {APPLICATION}"
            ),
            format!("{configure}, or let `larm doctor --deep` look into the image"),
        ),
    }
}

fn of_github(kept: Result<Option<String>, String>) -> Check {
    match kept {
        Ok(Some(version)) => {
            Check::ok(NAME, format!("guests get {version}; the daemon follows GitHub's newest"))
        }
        Ok(None) => Check::warn(
            NAME,
            "none is kept on this host yet: the daemon fetches GitHub's newest",
            "start it: `systemctl start larm`, or `larm serve` in another terminal",
        ),
        Err(error) => Check::warn(
            NAME,
            format!("what is kept of it could not be listed: {error}"),
            "run it as root",
        ),
    }
}

/// The URL's last part, without what follows a `?`.
fn file(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Status;
    use crate::config::Tarball;

    /// All lines were ok, and each runner failed with "there is no runner application".
    #[test]
    fn what_is_not_proven_is_no_ok() {
        let status = |in_image| judge(&Origin::Image, Ok(None), in_image).status;
        assert_eq!(status(None), Status::Warn);
        assert_eq!(status(Some(false)), Status::Fail);
        assert_eq!(status(Some(true)), Status::Ok);
    }

    #[test]
    fn an_archive_is_named_by_its_file() {
        let url =
            "https://example.org/a/actions-runner-linux-x64-2.330.0.tar.gz?token=x".to_owned();
        let tarball = Tarball { url, sha256: "0".repeat(64) };
        let check = judge(&Origin::Fixed(tarball), Ok(None), Some(false));
        assert_eq!(check.status, Status::Ok);
        assert_eq!(
            check.detail,
            "this host fetches actions-runner-linux-x64-2.330.0.tar.gz and gives it to guests"
        );
    }

    #[test]
    fn what_github_lists_is_told_by_its_version() {
        let kept = judge(&Origin::GitHub, Ok(Some("2.338.1".to_owned())), None);
        assert_eq!(kept.status, Status::Ok);
        assert!(kept.detail.contains("2.338.1"), "{}", kept.detail);
        assert_eq!(judge(&Origin::GitHub, Ok(None), None).status, Status::Warn);
        assert_eq!(judge(&Origin::GitHub, Err("no".to_owned()), None).status, Status::Warn);
    }
}
