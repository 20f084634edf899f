//! Errors and exit codes: the only place that writes either.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::context::Context;
use super::print::{plain, plain_text};
use super::setup::profile::ProfileError;
use crate::config::{ConfigError, CredentialError};
use crate::daemon::DaemonError;
use crate::http::types::{ErrorInfo, ErrorKind};
use crate::images::{BaseError, ImageError};
use crate::lxd::{self, ErrorKind as ErrorKindOfLxd};
use crate::smoke::SmokeError;

/// The table of exit codes in `larm --help`; a test keeps it equal to [`ExitStatus`].
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    it worked
  1    it failed
  2    the command line is wrong
  3    there is no such runner, pool, job, log, instance or image
  4    refused: the runner is busy or in another phase, the configuration to reload is wrong, a file
       is there already, an alias is somebody else's, or nobody confirmed
  5    the daemon, LXD or GitHub cannot be reached
  6    it took longer than allowed
  130  interrupted
`larm runner shell` passes on the exit code of what ran in the instance.

Environment:
  LARM_CONFIG, LARM_CONTROL_SOCKET, LARM_LXD_SOCKET  as the options of those names
  NO_COLOR                                           no colours unless --color=always";

/// What an exit code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStatus {
    Ok,
    Failure,
    Usage,
    NotFound,
    Refused,
    Unreachable,
    TimedOut,
    Interrupted,
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did what was asked.
    Done,
    /// It printed what is wrong itself.
    Wrong,
    /// What ran in the instance ended with this code.
    Guest(u8),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret could not be read.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The daemon could not run.
    #[error(transparent)]
    Serve(#[from] DaemonError),
    /// LXD refused or did not answer.
    #[error(transparent)]
    Lxd(#[from] lxd::Error),
    /// A smoke run could not be made.
    #[error(transparent)]
    Smoke(#[from] SmokeError),
    /// Something about images did not work.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A build failed.
    #[error("{message}")]
    Build { message: String, source: Box<ImageError>, hint: Option<String> },
    /// That is nothing to build from.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// A profile that came with larm is broken.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The daemon cannot be reached.
    #[error("failed to reach larm's daemon on {}", socket.display())]
    Daemon { socket: PathBuf, source: io::Error },
    /// The daemon did not answer in time.
    #[error("larm's daemon did not answer within {seconds} s")]
    DaemonSlow { seconds: u64 },
    /// GitHub says that something does not work.
    #[error("{message}")]
    GitHub { message: String, hint: String },
    /// GitHub does not answer as it should.
    #[error("{message}")]
    GitHubAway { message: String, hint: String },
    /// The daemon answered something that makes no sense.
    #[error("larm's daemon answered with nonsense: {0}")]
    Nonsense(String),
    /// The daemon refused.
    #[error("{}", .0.message)]
    Api(ErrorInfo),
    /// A file or the system failed.
    #[error("failed to {what}")]
    Io { what: String, source: io::Error },
    /// Standard output failed.
    #[error("failed to write to standard output")]
    Output(#[source] io::Error),
    /// The command line does not say enough.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// A file would be replaced.
    #[error("{} is there already", path.display())]
    Exists { path: PathBuf },
    /// Nobody confirmed.
    #[error("{message}")]
    Unconfirmed { message: String, hint: String },
    /// It took longer than allowed.
    #[error("{message}")]
    TimedOut { message: String, hint: String },
    /// The user pressed Ctrl-C.
    #[error("interrupted: {message}")]
    Interrupted { message: String, hint: String },
}

impl CliError {
    /// The exit code for it.
    fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Daemon { .. } | Self::GitHubAway { .. } => ExitStatus::Unreachable,
            Self::DaemonSlow { .. } | Self::TimedOut { .. } => ExitStatus::TimedOut,
            Self::Api(info) => by_kind(info.kind),
            // Whoever reads our output has seen enough: that is no failure.
            Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Ok,
            Self::Lxd(error) | Self::Smoke(SmokeError::Lxd(error)) => by_lxd(error.kind()),
            Self::Image(error) => by_image(error),
            Self::Build { source, .. } => by_image(source),
            Self::Config(_)
            | Self::Smoke(_)
            | Self::Serve(_)
            | Self::Profile(_)
            | Self::Credential(_)
            | Self::Nonsense(_)
            | Self::GitHub { .. }
            | Self::Io { .. }
            | Self::Output(_) => ExitStatus::Failure,
            Self::Usage { .. } | Self::Base(_) => ExitStatus::Usage,
            Self::Unconfirmed { .. } | Self::Exists { .. } => ExitStatus::Refused,
            Self::Interrupted { .. } => ExitStatus::Interrupted,
        }
    }

    /// What to do about it, where that is known.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Smoke(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Build { source, hint, .. } => hint.clone().or_else(|| source.hint()),
            Self::Serve(error) => error.hint(),
            Self::Credential(error) => error.hint(),
            Self::Lxd(error) => error.hint().map(str::to_owned),
            Self::Daemon { source, .. } => Some(daemon_hint(source).to_owned()),
            Self::Api(info) => info.hint.clone(),
            Self::Exists { .. } => {
                Some("--force replaces it; of a configuration a copy is kept".to_owned())
            }
            Self::Unconfirmed { hint, .. }
            | Self::GitHub { hint, .. }
            | Self::GitHubAway { hint, .. }
            | Self::Usage { hint, .. }
            | Self::TimedOut { hint, .. }
            | Self::Interrupted { hint, .. } => Some(hint.clone()),
            Self::DaemonSlow { .. } => {
                Some("what the daemon does: `journalctl --unit larm --lines 20`".to_owned())
            }
            Self::Nonsense(_) => {
                Some("is that socket larm's? are both sides the same version?".to_owned())
            }
            Self::Io { .. } | Self::Output(_) | Self::Profile(_) | Self::Base(_) => None,
        }
    }
}

fn by_kind(kind: ErrorKind) -> ExitStatus {
    match kind {
        ErrorKind::BadRequest => ExitStatus::Usage,
        ErrorKind::NotFound => ExitStatus::NotFound,
        ErrorKind::Busy | ErrorKind::BusyUnknown | ErrorKind::Held | ErrorKind::Refused => {
            ExitStatus::Refused
        }
        ErrorKind::Forbidden | ErrorKind::Stopping => ExitStatus::Unreachable,
        ErrorKind::TimedOut => ExitStatus::TimedOut,
        ErrorKind::Failed | ErrorKind::Lxd | ErrorKind::Store | ErrorKind::Internal => {
            ExitStatus::Failure
        }
    }
}

fn by_lxd(kind: &ErrorKindOfLxd) -> ExitStatus {
    match kind {
        ErrorKindOfLxd::NoSocket { .. }
        | ErrorKindOfLxd::PermissionDenied { .. }
        | ErrorKindOfLxd::Unreachable { .. } => ExitStatus::Unreachable,
        ErrorKindOfLxd::NotFound { .. } => ExitStatus::NotFound,
        ErrorKindOfLxd::TimedOut { .. } => ExitStatus::TimedOut,
        ErrorKindOfLxd::NotRunning { .. } | ErrorKindOfLxd::Frozen { .. } => ExitStatus::Refused,
        ErrorKindOfLxd::NotInitialised { .. }
        | ErrorKindOfLxd::Api { .. }
        | ErrorKindOfLxd::OperationFailed { .. }
        | ErrorKindOfLxd::Cancelled { .. }
        | ErrorKindOfLxd::OperationLost
        | ErrorKindOfLxd::ImageMissing { .. }
        | ErrorKindOfLxd::AlreadyExists { .. }
        | ErrorKindOfLxd::AgentNotRunning { .. }
        | ErrorKindOfLxd::StillRunning { .. }
        | ErrorKindOfLxd::AlreadyRunning { .. }
        | ErrorKindOfLxd::AlreadyStopped { .. }
        | ErrorKindOfLxd::NoKvm { .. }
        | ErrorKindOfLxd::ImageOfOtherType { .. }
        | ErrorKindOfLxd::PoolFull { .. }
        | ErrorKindOfLxd::TooLarge { .. }
        | ErrorKindOfLxd::Decode { .. }
        | ErrorKindOfLxd::Local { .. } => ExitStatus::Failure,
    }
}

fn by_image(error: &ImageError) -> ExitStatus {
    match error {
        ImageError::Lxd(error) => by_lxd(error.kind()),
        ImageError::NoBase(_)
        | ImageError::UnknownAlias(_)
        | ImageError::UnknownGeneration { .. }
        | ImageError::NothingBefore(_) => ExitStatus::NotFound,
        ImageError::Foreign { .. } => ExitStatus::Refused,
        ImageError::Stopped | ImageError::LeftAsItIs => ExitStatus::Interrupted,
        ImageError::TimedOut(_) => ExitStatus::TimedOut,
        ImageError::BaseOfOtherType { .. }
        | ImageError::CloudInit(_)
        | ImageError::NoApt
        | ImageError::Command { .. }
        | ImageError::NoApplication
        | ImageError::Canary { .. }
        | ImageError::UserData(_)
        | ImageError::NoFingerprint => ExitStatus::Failure,
    }
}

fn daemon_hint(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::PermissionDenied {
        "run as root, or join the control group (`usermod --append --groups larm $USER`) and log in again"
    } else {
        "start it: `systemctl start larm`, or `larm serve` in another terminal"
    }
}

impl ExitStatus {
    /// The code, as documented in [`EXIT_CODES`].
    fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Unreachable => 5,
            Self::TimedOut => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// Prints what clap says of the arguments: help to standard output, errors to standard error.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    if error.print().is_err() {
        // A closed pipe behind `larm --help` is no failure, and elsewhere nobody would read of it.
        return ExitStatus::Ok.into();
    }
    if error.use_stderr() { ExitStatus::Usage.into() } else { ExitStatus::Ok.into() }
}

/// Turns a command's outcome into the exit code, after telling of its error.
pub(super) fn finish(outcome: Result<Outcome, CliError>, context: &Context) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitStatus::Ok.into(),
        Ok(Outcome::Wrong) => ExitStatus::Failure.into(),
        Ok(Outcome::Guest(code)) => ExitCode::from(code),
        Err(error) => {
            let status = error.exit_status();
            if status != ExitStatus::Ok {
                write_error(&text(&error, context.colored(&io::stderr())));
            }
            status.into()
        }
    }
}

/// Tells the user something that is neither data nor an error.
pub(super) fn notice(context: &Context, text: &str) {
    if !context.global.quiet {
        write_error(&format!("{}\n", plain(text)));
    }
}

/// Tells the user of something that is wrong and stopped nothing.
pub(super) fn warn(context: &Context, text: &str) {
    if !context.global.quiet {
        write_error(&format!("warning: {}\n", plain(text)));
    }
}

/// Tells the user what to type; without it a command would wait for that in silence.
pub(super) fn ask(text: &str) {
    write_error(text);
}

/// Asks a question that `y` agrees to. Without a terminal there is nobody to ask.
pub(super) fn confirm(question: &str) -> Result<Option<bool>, CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    ask(&format!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|source| CliError::Io { what: "read the answer".to_owned(), source })?;
    Ok(Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}

/// `error: ...`, one line for each cause, then the hint after an empty line.
fn text(error: &CliError, colored: bool) -> String {
    let paint = |code: &str, word: &str| {
        if colored { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
    };
    let mut lines = vec![format!("{}: {}", paint("1;31", "error"), plain_text(&error.to_string()))];
    let mut cause = error.source();
    let mut told = error.to_string();
    while let Some(why) = cause {
        // Some errors repeat their cause in their own words.
        let text = why.to_string();
        if !told.contains(&text) {
            lines.push(format!("  because: {}", plain_text(&text)));
        }
        told = text;
        cause = why.source();
    }
    if let Some(hint) = error.hint() {
        lines.push(format!("\n{}: {}", paint("1;36", "hint"), plain_text(&hint)));
    }
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// An error with its cause and hint, on one line.
pub(super) fn in_words(error: &CliError) -> String {
    let cause = match error.source() {
        Some(cause) => format!(": {cause}"),
        None => String::new(),
    };
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{error}{cause}{hint}")
}

/// Passes on what a command in a guest wrote to its standard error.
pub(super) fn raw(bytes: &[u8]) {
    drop(io::stderr().lock().write_all(bytes));
}

fn write_error(text: &str) {
    // Nobody is left to tell if standard error is closed.
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_exit_codes_are_those_of_the_enum() {
        let all = [
            ExitStatus::Ok,
            ExitStatus::Failure,
            ExitStatus::Usage,
            ExitStatus::NotFound,
            ExitStatus::Refused,
            ExitStatus::Unreachable,
            ExitStatus::TimedOut,
            ExitStatus::Interrupted,
        ];
        let documented: Vec<u8> = EXIT_CODES
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .filter_map(|line| line.split(' ').next()?.parse().ok())
            .collect();
        assert_eq!(documented, all.map(ExitStatus::code));
    }

    #[test]
    fn an_error_tells_its_causes_and_the_way_out() {
        let source = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = CliError::Daemon { socket: "/run/larm/control.sock".into(), source };
        insta::assert_snapshot!(text(&error, false), @"
        error: failed to reach larm's daemon on /run/larm/control.sock
          because: connection refused

        hint: start it: `systemctl start larm`, or `larm serve` in another terminal
        ");
        assert_eq!(error.exit_status(), ExitStatus::Unreachable);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = CliError::Output(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(closed.exit_status(), ExitStatus::Ok);
    }
}
