//! `larm serve`.

use clap::{Args, ValueEnum};
use tokio::runtime;

use super::context::Context;
use super::report::{self, CliError, Outcome};
use crate::daemon::{self, LogFormat, StopSignal};

/// Run the daemon
///
/// Keeps as many runners as the pools of the configuration and the jobs of GitHub want. Runs in the
/// foreground until SIGTERM or Ctrl-C; SIGHUP makes it read its configuration again, as
/// `larm reload` does. Runners live on without it, and a daemon that starts again takes them up.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm serve\n  \
    larm serve --config ./larm.toml --control-socket ./control.sock -v\n\n\
    As a service: scripts/larm.service is a unit for systemd.")]
pub(super) struct Arguments {
    /// How log lines look: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    log_format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, CliError> {
    let settings = context.settings()?;
    let format = match arguments.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    daemon::start_logging(&context.log_filter(&settings.log), format)?;
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "start the runtime".to_owned(), source })?;
    runtime.block_on(async {
        // Before anything is started: a signal from here on is a stop and no sudden death.
        let mut signals = StopSignal::catch()?;
        let read_again = || context.settings().map_err(|error| report::in_words(&error));
        daemon::run(settings, read_again, &mut signals).await
    })?;
    Ok(Outcome::Done)
}
