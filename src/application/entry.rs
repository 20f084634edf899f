//! One archive: as it is wanted, as it is on its way, and as it is in the cache.

use std::path::{Path, PathBuf};

/// An archive of the runner application that is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its version.
    pub version: String,
    /// Its http(s) URL; without a secret in it.
    pub url: String,
    /// Its SHA-256: 64 hexadecimal digits.
    pub sha256: String,
    /// What it is called, for people.
    pub filename: String,
}

/// An archive in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// Its version.
    pub version: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// How far a fetch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are here, those of an earlier try too.
    pub done: u64,
    /// Bytes that there will be, where the server tells.
    pub total: Option<u64>,
}

const WHOLE: &str = "archive";
const ENDINGS: [&str; 3] = [WHOLE, "partial", "validator"];
/// How long a version may be; it becomes part of a file's name.
const LONGEST_VERSION: usize = 100;

impl Wanted {
    /// An archive that is known by its URL and checksum only, as a configuration names it: the
    /// version is read off the file's name, like `actions-runner-linux-x64-2.330.0.tar.gz`, and is
    /// the checksum's head where that tells none.
    pub fn at(url: &str, sha256: &str) -> Self {
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let filename = path.rsplit('/').next().unwrap_or(path);
        let stem = filename.trim_end_matches(".gz").trim_end_matches(".tar");
        let last = stem.rsplit('-').next().unwrap_or(stem);
        let numbered = last.contains('.')
            && last
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let head: String = sha256.chars().take(12).collect();
        Self {
            version: if numbered { last.to_owned() } else { head },
            url: url.to_owned(),
            sha256: sha256.to_ascii_lowercase(),
            filename: filename.to_owned(),
        }
    }

    /// What is wrong with it, if it cannot be a name in the cache.
    pub(super) fn fault(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        let version = &self.version;
        if version.is_empty() || version.starts_with('.') || !version.chars().all(plain) {
            return Some(format!("\"{version}\" is no version"));
        }
        if version.len() > LONGEST_VERSION {
            return Some(format!("a version has at most {LONGEST_VERSION} characters"));
        }
        (!is_sha256(&self.sha256)).then(|| format!("\"{}\" is no SHA-256", self.sha256))
    }

    /// Where it is while it is on its way.
    pub(super) fn partial(&self, dir: &Path) -> PathBuf {
        self.file(dir, "partial")
    }

    /// What it is once it is in the cache.
    pub(super) fn cached(&self, dir: &Path) -> Cached {
        let path = self.file(dir, WHOLE);
        Cached { version: self.version.clone(), path, sha256: self.sha256.clone() }
    }

    fn file(&self, dir: &Path, ending: &str) -> PathBuf {
        dir.join(format!("{}-{}.{ending}", self.version, self.sha256))
    }
}

/// What a file of the cache belongs to, by its name; `None` for the lock and for strangers.
pub(super) fn named(path: PathBuf) -> Option<(Cached, bool)> {
    let (stem, ending) = path.file_name()?.to_str()?.rsplit_once('.')?;
    let (version, sha256) = stem.rsplit_once('-')?;
    let is_whole = ending == WHOLE;
    let is_ours = ENDINGS.contains(&ending) && is_sha256(sha256);
    let (version, sha256) = (version.to_owned(), sha256.to_owned());
    is_ours.then_some((Cached { version, path, sha256 }, is_whole))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_off_the_files_name() {
        let sha256 = "AB".repeat(32);
        let version = |url: &str| Wanted::at(url, &sha256).version;
        let real = "https://x/releases/v2.330.0/actions-runner-linux-x64-2.330.0.tar.gz";
        assert_eq!(version(real), "2.330.0");
        assert_eq!(version("http://x/a-1.2.tar?key=1.9"), "1.2");
        assert_eq!(version("http://x/actions-runner.tar"), "ABABABABABAB");
        let wanted = Wanted::at(real, &sha256);
        assert_eq!(wanted.fault(), None);
        let cached = wanted.cached(Path::new("/c"));
        assert_eq!(named(cached.path.clone()), Some((cached.clone(), true)));
        let partial = Cached { path: wanted.partial(Path::new("/c")), ..cached };
        assert_eq!(named(partial.path.clone()), Some((partial, false)));
    }

    #[test]
    fn no_name_leads_out_of_the_cache() {
        let wanted = Wanted::at("http://x/a-1.0.tar", &"ab".repeat(32));
        for version in ["", "../1", "1/2", ".1", "1 2", "1\n", &"1".repeat(101)] {
            let bad = Wanted { version: version.into(), ..wanted.clone() };
            assert!(bad.fault().is_some(), "{version:?}");
        }
        let bad = Wanted { sha256: "/".repeat(64), ..wanted };
        assert!(bad.fault().is_some());
        for stranger in ["/c/x.archive", "/c/lock", "/c/a-b.partial", "/"] {
            assert_eq!(named(stranger.into()), None);
        }
    }
}
