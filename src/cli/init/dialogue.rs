//! Questions on the terminal, repeated until the answer can be used.

use std::io::{IsTerminal, Stdin, stderr, stdin};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::cli::print::plain;
use crate::cli::report::{self, CliError};
use crate::cli::terminal::Unseen;

/// Somebody at a terminal.
#[derive(Debug)]
pub(super) struct Dialogue {
    keyboard: Stdin,
}

impl Dialogue {
    /// Somebody who sees the questions and can type, if there is one.
    pub(super) fn open() -> Option<Self> {
        let keyboard = stdin();
        (keyboard.is_terminal() && stderr().is_terminal()).then_some(Self { keyboard })
    }

    /// Asks until `read` takes the answer; an empty one means the default.
    pub(super) fn ask<T>(
        &self,
        question: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        loop {
            report::ask(&format!("{question}{shown} "));
            let line = self.line()?;
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => continue,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(why) => report::ask(&format!("  {}\n", plain(&why))),
            }
        }
    }

    /// Asks for something that must not be seen on the screen, until it is usable; it may be empty.
    pub(super) fn ask_hidden(
        &self,
        question: &str,
        rule: &str,
        usable: impl Fn(&str) -> bool,
    ) -> Result<SecretString, CliError> {
        loop {
            let line = self.hidden_line(question)?;
            if usable(line.trim()) {
                return Ok(SecretString::from(line.trim()));
            }
            report::ask(&format!("  {rule}\n"));
        }
    }

    fn hidden_line(&self, question: &str) -> Result<Zeroizing<String>, CliError> {
        let unseen = Unseen::enter()
            .map_err(|source| CliError::Io { what: "hide what is typed".to_owned(), source })?;
        report::ask(&format!("{question} "));
        let line = self.line();
        drop(unseen);
        report::ask("\n");
        line
    }

    fn line(&self) -> Result<Zeroizing<String>, CliError> {
        let mut line = Zeroizing::new(String::with_capacity(1 << 10));
        let read = self
            .keyboard
            .read_line(&mut line)
            .map_err(|source| CliError::Io { what: "read the answer".to_owned(), source })?;
        if read == 0 {
            report::ask("\n");
            return Err(left());
        }
        Ok(line)
    }
}

/// The user went away.
pub(super) fn left() -> CliError {
    CliError::Unconfirmed {
        message: "nothing was written, as nobody agreed".to_owned(),
        hint: "`larm init --yes` asks nothing; `larm init --help` tells what it needs then"
            .to_owned(),
    }
}
