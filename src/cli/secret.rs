//! Secrets that the user gives: from a file or standard input, never as an argument.

use std::path::Path;

use secrecy::SecretString;

use super::report::CliError;
use crate::config::read_secret;

/// Reads a secret from a file, or from standard input where the path is `-`.
pub(super) fn read(path: &Path) -> Result<SecretString, CliError> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    Ok(read_secret(path)?)
}

/// Reads a remove token where one is given.
pub(super) fn read_option(path: Option<&Path>) -> Result<Option<SecretString>, CliError> {
    path.map(read).transpose()
}
