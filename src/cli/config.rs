//! `larm config`: looks at the configuration files, without a daemon and without LXD.

use clap::Subcommand;
use serde::Serialize;

use super::context::Context;
use super::print;
use super::report::{CliError, Outcome};
use crate::config::{AuthSettings, CredentialError, Problem, SecretFile, Settings};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Look for errors in the configuration files, and whether the secrets they name can be read
    ///
    /// Every error comes with its file and line. A secret that systemd gives to the service can only
    /// be looked for inside of it, and is left out elsewhere.
    #[command(after_help = "Examples:\n  \
        larm config check\n  \
        larm config check --config ./larm.toml && sudo systemctl restart larm")]
    Check,
    /// Print the configuration that holds: what files say, with drop-ins merged, and all defaults
    ///
    /// What it prints is a configuration file that means the same. It holds no secrets, only the names
    /// of their files.
    #[command(after_help = "Examples:\n  \
        larm config show\n  \
        larm config show --json | jq '.pool[].name'")]
    Show,
}

/// What `check` has to say to programs.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    problems: Vec<Problem>,
}

pub(super) fn run(command: &ConfigCommand, context: &Context) -> Result<Outcome, CliError> {
    match command {
        ConfigCommand::Check => check(context),
        ConfigCommand::Show => show(context),
    }
}

fn show(context: &Context) -> Result<Outcome, CliError> {
    let shown = context.settings()?.shown();
    if context.global.json {
        print::json(&shown)?;
    } else {
        print::bytes(shown.to_string().as_bytes(), false)?;
    }
    Ok(Outcome::Done)
}

fn check(context: &Context) -> Result<Outcome, CliError> {
    let checked = context.settings().and_then(|settings| {
        read_secrets(&settings)?;
        Ok(settings)
    });
    if context.global.json {
        let problems = match &checked {
            Ok(_) => Vec::new(),
            Err(error) => problems(error),
        };
        let ok = problems.is_empty();
        print::json(&Report { ok, problems })?;
        return Ok(if ok { Outcome::Done } else { Outcome::Wrong });
    }
    print::line(&summary(&checked?))?;
    Ok(Outcome::Done)
}

fn problems(error: &CliError) -> Vec<Problem> {
    if let CliError::Config(error) = error {
        return error.problems();
    }
    vec![Problem { file: None, line: None, message: error.to_string() }]
}

fn summary(settings: &Settings) -> String {
    let pools: Vec<&str> = settings.pools.iter().map(|pool| pool.name.as_str()).collect();
    match pools.as_slice() {
        [] => "the configuration is right; it has no pools".to_owned(),
        [one] => format!("the configuration is right; it has the pool {one}"),
        many => format!("the configuration is right; it has the pools {}", many.join(", ")),
    }
}

/// Reads each secret once, and forgets it.
fn read_secrets(settings: &Settings) -> Result<(), CredentialError> {
    for connection in &settings.connections {
        match &connection.auth {
            Some(AuthSettings::Token { file }) => look(file, SecretFile::read)?,
            Some(AuthSettings::App { key_file, .. }) => look(key_file, SecretFile::read_key)?,
            None => {}
        }
    }
    let webhook = settings.webhook.iter().map(|webhook| &webhook.secret_file);
    let policy = settings.services.repo_policy.iter().map(|policy| &policy.token_file);
    webhook.chain(policy).try_for_each(|file| look(file, SecretFile::read))
}

fn look<T>(
    file: &SecretFile,
    read: impl FnOnce(&SecretFile) -> Result<T, CredentialError>,
) -> Result<(), CredentialError> {
    match read(file) {
        Err(CredentialError::NoDirectory { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}
