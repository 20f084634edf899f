//! Where LXD's socket is.
//!
//! The order is that of LXD's own client: what was asked for, then the environment, then where
//! the snap, Debian's package and Incus put it.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use super::error::{Error, ErrorKind};

/// Where packages put the socket.
const PLACES: [&str; 5] = [
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
    "/run/lxd/unix.socket",
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket",
];

/// Finds the socket: `explicit` wins without a look (LXD may come up later), then the environment
/// (`LXD_SOCKET`, `LXD_DIR`, `INCUS_SOCKET`, `INCUS_DIR`), then the known places.
///
/// # Errors
/// [`ErrorKind::NoSocket`] with all the places that were looked at.
pub fn find_socket(explicit: Option<&Path>) -> Result<PathBuf, Error> {
    match explicit {
        Some(path) => Ok(path.to_owned()),
        None => choose(candidates(|name| env::var_os(name)), is_there),
    }
}

fn candidates(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut all = Vec::new();
    for (socket, dir) in [("LXD_SOCKET", "LXD_DIR"), ("INCUS_SOCKET", "INCUS_DIR")] {
        all.extend(set(socket));
        all.extend(set(dir).map(|dir| dir.join("unix.socket")));
    }
    all.extend(PLACES.iter().map(PathBuf::from));
    all
}

fn choose(tried: Vec<PathBuf>, there: impl Fn(&Path) -> bool) -> Result<PathBuf, Error> {
    match tried.iter().find(|path| there(path)) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::new("find LXD", ErrorKind::NoSocket { tried })),
    }
}

/// A socket in a directory that may not be entered counts as there: using it then says
/// "permission denied", which is the truth.
fn is_there(path: &Path) -> bool {
    match path.try_exists() {
        Ok(there) => there,
        Err(error) => error.kind() == IoErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{candidates, choose, find_socket};

    #[test]
    fn what_was_asked_for_wins_unseen() {
        let path = Path::new("/nowhere/unix.socket");
        assert_eq!(find_socket(Some(path)).unwrap(), path);
    }

    #[test]
    fn the_environment_comes_before_the_known_places() {
        let all = candidates(|name| (name == "LXD_DIR").then(|| "/srv/lxd".into()));
        assert_eq!(all.first().unwrap(), Path::new("/srv/lxd/unix.socket"));
        assert!(all.contains(&PathBuf::from("/var/snap/lxd/common/lxd/unix.socket")));
        let first = candidates(|_| None);
        assert_eq!(
            choose(first, |path| path.starts_with("/run/incus")).unwrap(),
            Path::new("/run/incus/unix.socket")
        );
    }

    #[test]
    fn nothing_found_names_the_places_and_a_way_out() {
        let error = choose(candidates(|_| None), |_| false).unwrap_err();
        assert!(error.to_string().contains("/var/lib/lxd/unix.socket"), "{error}");
        assert!(error.hint().unwrap().contains("larm setup"));
        assert!(error.is_transient());
    }
}
