//! Secrets come from files of their own, and go nowhere but into a [`SecretString`].

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

/// Larger than any credential that GitHub gives out.
const MAX_SECRET: usize = 64 << 10;
/// What others than owner and group may do.
const OTHERS: u32 = 0o007;
/// Standard input by name.
const STDIN: &str = "/dev/stdin";

/// Why a secret could not be read. Never holds any part of it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file could not be read.
    #[error("could not read the credential file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Everybody on the machine may use it.
    #[error("the credential file {} is open to everybody (mode {mode:03o})", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its content cannot be a credential.
    #[error("the credential file {} {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// It has only a name, and systemd gave no credentials to this process.
    #[error(
        "the credential file \"{}\" has no path, and $CREDENTIALS_DIRECTORY is not set",
        name.display()
    )]
    NoDirectory {
        /// Its name.
        name: PathBuf,
    },
}

impl CredentialError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open { path, .. } => Some(format!("`chmod 600 {}`", path.display())),
            Self::NoDirectory { name } => Some(format!(
                "write its whole path, or let systemd give it to the service: \
                 LoadCredential={}:/path/of/the/file",
                name.display()
            )),
            Self::Read { .. } | Self::Content { .. } => None,
        }
    }
}

/// Whether a path means standard input: `-`, or its name.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new(STDIN)
}

/// Reads a secret from a file, or from standard input: one line of text, whose end of line is not
/// part of it.
///
/// A regular file that others than its owner and group may use is refused; not so standard input,
/// whose file larm can neither name nor mend.
pub fn read_secret(path: &Path) -> Result<SecretString, CredentialError> {
    read(path, line_of)
}

/// Reads a private key in PEM form (RFC 7468), as GitHub gives it to Apps; otherwise like
/// [`read_secret`].
pub fn read_key(path: &Path) -> Result<SecretString, CredentialError> {
    read(path, key_of)
}

fn read(
    path: &Path,
    take: impl FnOnce(&str) -> Result<&str, &'static str>,
) -> Result<SecretString, CredentialError> {
    let (path, opened) = if is_stdin(path) {
        (Path::new(STDIN), io::stdin().as_fd().try_clone_to_owned().map(File::from))
    } else {
        (path, File::open(path))
    };
    let failed = |source| CredentialError::Read { path: path.to_owned(), source };
    let file = opened.map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if !is_stdin(path) && metadata.is_file() && mode & OTHERS != 0 {
        return Err(CredentialError::Open { path: path.to_owned(), mode });
    }
    // All of it is there from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 1));
    let limit = u64::try_from(MAX_SECRET + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let content = |reason| CredentialError::Content { path: path.to_owned(), reason };
    text_of(&bytes).and_then(take).map(SecretString::from).map_err(content)
}

fn text_of(bytes: &[u8]) -> Result<&str, &'static str> {
    if bytes.len() > MAX_SECRET {
        return Err("is too large for a credential");
    }
    str::from_utf8(bytes).map_err(|_| "is not text")
}

fn line_of(text: &str) -> Result<&str, &'static str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err("is empty");
    }
    if text.contains(char::is_control) {
        return Err("has more than one line");
    }
    Ok(text)
}

/// Whoever uses the key finds out whether it is one: this finds the wrong file.
fn key_of(text: &str) -> Result<&str, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty");
    }
    let first = text.lines().next().unwrap_or_default().trim_end();
    let kind = first.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
    let Some(kind) = kind.filter(|kind| kind.ends_with("PRIVATE KEY")) else {
        return Err("does not begin with a private key in PEM form (-----BEGIN ...)");
    };
    if kind.starts_with("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("has a key that a passphrase protects, which larm cannot know");
    }
    if !text.ends_with(&format!("-----END {kind}-----")) {
        return Err("ends before its private key does, or has more than that");
    }
    Ok(text)
}
