//! `larm runner give`.

use clap::Args;

use super::credential::{CredentialArguments, RegistrationArguments};
use super::wait::WaitArguments;
use crate::cli::context::Context;
use crate::cli::report::{CliError, Outcome};
use crate::http::types::Created;

/// Give a standby its credential
///
/// Returns once the daemon has taken it, or with --wait once the runner has come so far.
#[derive(Debug, Args)]
#[command(override_usage = "larm runner give <RUNNER> --jit-config-file <FILE> [OPTIONS]\n       \
    larm runner give <RUNNER> --registration-token-file <FILE> --github <PATH> [OPTIONS]")]
#[command(after_help = "Examples:\n  \
    larm runner give 3f9c --jit-config-file jit --wait listening\n  \
    larm runner give 3f9c --registration-token-file token --github acme/web --labels x64,fast\n\n\
    A standby is made with: larm runner create --standby")]
pub(in crate::cli) struct Arguments {
    /// The runner's id, the beginning of it, or its name
    #[arg(value_name = "RUNNER")]
    runner: String,
    #[command(flatten)]
    wait: WaitArguments,
    #[command(flatten)]
    credential: CredentialArguments,
    #[command(flatten)]
    registration: RegistrationArguments,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let daemon = context.daemon()?;
    let credential = arguments.credential.read(arguments.registration)?;
    // By its id from here on: what was typed may fit another runner a moment later.
    let runner = daemon.runner(&arguments.runner).await?;
    let runner = Created { id: runner.id, name: runner.name };
    if let Some(credential) = credential {
        daemon.give(runner.id.as_str(), &credential).await?;
    }
    arguments.wait.then_print(&daemon, &runner, context).await
}
