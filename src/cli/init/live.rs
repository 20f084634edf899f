//! Tries the credential and the target at GitHub, before anything is written.

use super::answers::{Answers, Auth};
use crate::cli::context::Context;
use crate::cli::report::{CliError, notice};
use crate::config::Settings;
use crate::daemon::{self, AccountError};
use crate::github::{self, Finding, Outcome};
use crate::model::{GitHubPath, Pool};

/// Tells what GitHub says of the draft's account and pools.
///
/// # Errors
/// If something there does not work, or cannot be told.
pub(super) async fn check(
    settings: &Settings,
    answers: &Answers,
    context: &Context,
) -> Result<(), CliError> {
    for pool in &settings.pools {
        let Some(connection) = connection(settings, answers, pool)? else { continue };
        let path = &pool.target.path;
        let report = Box::pin(connection.check(path)).await.map_err(|error| {
            let hint = error.hint().unwrap_or_else(|| "is this machine online?".to_owned());
            CliError::GitHubAway { message: error.to_string(), hint: or_unchecked(&hint) }
        })?;
        for finding in &report.findings {
            tell(finding, path, context)?;
        }
    }
    Ok(())
}

/// A token that was typed or piped is in no file yet.
fn connection(
    settings: &Settings,
    answers: &Answers,
    pool: &Pool,
) -> Result<Option<github::Connection>, CliError> {
    let Some(connection) = settings.connection(&pool.target.connection) else { return Ok(None) };
    let given = match &answers.auth {
        Auth::Token(token) => token.given.clone(),
        Auth::App { .. } => None,
    };
    let connected = match given {
        Some(token) => daemon::connect_with(connection, github::Auth::Token(token)).map(Some),
        None => daemon::connect(connection),
    };
    connected.map_err(|error| match error {
        AccountError::Secret(error) => error.into(),
        AccountError::GitHub(error) => CliError::GitHub {
            hint: error.hint().unwrap_or_else(|| "see the account's flags".to_owned()),
            message: error.to_string(),
        },
    })
}

fn tell(finding: &Finding, path: &GitHubPath, context: &Context) -> Result<(), CliError> {
    let Finding { subject, outcome, text, hint } = finding;
    match outcome {
        Outcome::Good => notice(context, &format!("ok    {subject}: {text}")),
        Outcome::Warning => {
            notice(context, &format!("warn  {subject}: {text}"));
            if let Some(hint) = hint {
                notice(context, &format!("      -> {hint}"));
            }
        }
        Outcome::Bad => {
            let message = format!("{path} does not work at GitHub: {subject}: {text}");
            let hint = or_unchecked(hint.as_deref().unwrap_or("mend that"));
            return Err(CliError::GitHub { message, hint });
        }
    }
    Ok(())
}

fn or_unchecked(hint: &str) -> String {
    format!("{hint}; nothing was written: `larm init --no-check` does not ask GitHub")
}
