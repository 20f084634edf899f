//! Secrets that the user gives: from a file or standard input, never as an argument.

use std::io::{IsTerminal, stdin};
use std::path::Path;

use secrecy::SecretString;

use super::report::{self, CliError};
use crate::config::{is_stdin, read_secret};

/// Reads a secret from a file, or from standard input where the path is `-`.
pub(super) fn read(path: &Path) -> Result<SecretString, CliError> {
    if is_stdin(path) && stdin().is_terminal() {
        report::ask("paste the credential, then press Enter and Ctrl-D\n");
    }
    Ok(read_secret(path)?)
}

/// Reads a remove token where one is given.
pub(super) fn read_option(path: Option<&Path>) -> Result<Option<SecretString>, CliError> {
    path.map(read).transpose()
}
