//! Check of the runner application: that guests find it, or are told where to get it.

use super::check::Check;
use crate::config::Tarball;
use crate::guest::paths::APPLICATION;

const NAME: &str = "runner application";

/// Where guests get the application from. `in_image` is what a look inside has found.
pub(super) fn check(tarball: Option<&Tarball>, in_image: Option<bool>) -> Check {
    let configure = "set `url` and `sha256` in [runner]";
    match (tarball, in_image) {
        (Some(tarball), _) => Check::ok(
            NAME,
            format!("this host fetches {} and gives it to guests", file(&tarball.url)),
        ),
        (None, Some(true)) => Check::ok(NAME, format!("in the image, in {APPLICATION}")),
        (None, Some(false)) => Check::fail(
            NAME,
            format!("the image has none in {APPLICATION}"),
            format!("{configure}, or put it there"),
        ),
        (None, None) => Check::warn(
            NAME,
            format!(
                "no `url` says where guests get it, so it must be in the image, in {APPLICATION}"
            ),
            format!("{configure}, or let `larm doctor --deep` look into the image"),
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

    /// All lines were ok, and each runner failed with "there is no runner application".
    #[test]
    fn what_is_not_proven_is_no_ok() {
        assert_eq!(check(None, None).status, Status::Warn);
        assert_eq!(check(None, Some(false)).status, Status::Fail);
        assert_eq!(check(None, Some(true)).status, Status::Ok);
    }

    #[test]
    fn an_archive_is_named_by_its_file() {
        let url =
            "https://example.org/a/actions-runner-linux-x64-2.330.0.tar.gz?token=x".to_owned();
        let tarball = Tarball { url, sha256: "0".repeat(64) };
        let check = check(Some(&tarball), Some(false));
        assert_eq!(check.status, Status::Ok);
        assert_eq!(
            check.detail,
            "this host fetches actions-runner-linux-x64-2.330.0.tar.gz and gives it to guests"
        );
    }
}
