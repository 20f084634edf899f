//! Where LXD's socket is.
//!
//! The order is that of LXD's own client: what was asked for, then the environment, then where
//! the snap, Debian's package and Incus put it.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::error::{Error, ErrorKind};

/// Where packages put the socket.
const PLACES: [&str; 5] = [
    "/var/snap/lxd/common/lxd/unix.socket",
    "/var/lib/lxd/unix.socket",
    "/run/lxd/unix.socket",
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket",
];

/// Where the socket is, or may come to be: LXD may be installed or started later.
#[derive(Debug, Clone)]
pub struct SocketPlaces {
    first: PathBuf,
    others: Vec<PathBuf>,
    /// The place that had one when it was first looked for. No other is used after that: where
    /// two LXDs are on a host, the one knows nothing of the other's instances, and to ask it while
    /// the other is restarted would tell that they are gone.
    found: Arc<OnceLock<PathBuf>>,
}

impl SocketPlaces {
    /// `explicit` and no other place, if it is given; else those that the environment names
    /// (`LXD_SOCKET`, `LXD_DIR`, `INCUS_SOCKET`, `INCUS_DIR`), then the known ones.
    pub fn new(explicit: Option<&Path>) -> Self {
        match explicit {
            Some(path) => path.to_owned().into(),
            None => Self::usual(|name| env::var_os(name)),
        }
    }

    fn usual(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut named = Vec::new();
        for (socket, dir) in [("LXD_SOCKET", "LXD_DIR"), ("INCUS_SOCKET", "INCUS_DIR")] {
            named.extend(set(socket));
            named.extend(set(dir).map(|dir| dir.join("unix.socket")));
        }
        let mut all = named.into_iter().chain(PLACES.map(PathBuf::from));
        let first = all.next().unwrap_or_default();
        Self { first, others: all.collect(), found: Arc::default() }
    }

    /// The place to connect to: where a socket was found, else the first one.
    pub(super) fn current(&self) -> &Path {
        match self.found.get().or_else(|| self.find()) {
            Some(path) => path,
            None => &self.first,
        }
    }

    fn find(&self) -> Option<&PathBuf> {
        let path = self.all().find(|path| is_there(path))?;
        Some(self.found.get_or_init(|| path.to_owned()))
    }

    /// All places, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.first).chain(&self.others).map(PathBuf::as_path)
    }

    /// Looks whether a socket is there now.
    ///
    /// # Errors
    /// [`ErrorKind::NoSocket`] with all the places that were looked at.
    pub fn look(&self) -> Result<(), Error> {
        if self.find().is_some() {
            return Ok(());
        }
        let tried = self.all().map(Path::to_owned).collect();
        Err(Error::new("find LXD", ErrorKind::NoSocket { tried }))
    }
}

impl From<PathBuf> for SocketPlaces {
    /// This place and no other.
    fn from(path: PathBuf) -> Self {
        Self { first: path, others: Vec::new(), found: Arc::default() }
    }
}

/// Finds the socket: `explicit` wins without a look (LXD may come up later), else see
/// [`SocketPlaces`].
///
/// # Errors
/// [`ErrorKind::NoSocket`] with all the places that were looked at.
pub fn find_socket(explicit: Option<&Path>) -> Result<PathBuf, Error> {
    let places = SocketPlaces::new(explicit);
    if explicit.is_none() {
        places.look()?;
    }
    Ok(places.current().to_owned())
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
    use std::fs::{self, File};
    use std::path::Path;

    use super::{PLACES, SocketPlaces, find_socket};

    #[test]
    fn what_was_asked_for_wins_unseen() {
        let path = Path::new("/nowhere/unix.socket");
        assert_eq!(find_socket(Some(path)).unwrap(), path);
        assert!(SocketPlaces::new(Some(path)).look().is_err());
    }

    #[test]
    fn the_environment_comes_before_the_known_places() {
        let places = SocketPlaces::usual(|name| (name == "LXD_DIR").then(|| "/srv/lxd".into()));
        let mut all = places.all();
        assert_eq!(all.next().unwrap(), Path::new("/srv/lxd/unix.socket"));
        assert!(all.eq(PLACES.map(Path::new)));
        assert!(SocketPlaces::usual(|_| None).all().eq(PLACES.map(Path::new)));
    }

    #[test]
    fn a_socket_may_come_later_and_is_kept_to() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        let others = vec![second.clone()];
        let places = SocketPlaces { others, ..SocketPlaces::from(first.clone()) };
        assert_eq!(places.current(), first);
        let error = places.look().unwrap_err();
        assert!(error.to_string().ends_with(&format!("{}, {}", first.display(), second.display())));
        assert!(error.hint().unwrap().contains("larm setup") && error.is_transient());
        File::create(&second).unwrap();
        assert_eq!(places.current(), second);
        // That of another LXD, which came up meanwhile.
        File::create(&first).unwrap();
        fs::remove_file(&second).unwrap();
        assert_eq!(places.clone().current(), second);
    }
}
