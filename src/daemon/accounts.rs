//! The accounts at GitHub from the configuration, with their secrets read from files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{
    AuthSettings, ConnectionSettings, CredentialError, RunnerCredential, Settings,
};
use crate::github::{Auth, Connection, ConnectionOptions, GitHubError};
use crate::manager::{Account, Accounts, RegistersWith};

/// How long GitHub may take for one request.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Its secret could not be read.
    #[error(transparent)]
    Secret(#[from] CredentialError),
    /// What the configuration says of it does not fit together.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
}

impl AccountError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => error.hint(),
            Self::GitHub(error) => error.hint(),
        }
    }
}

/// All accounts that can be used. What is wrong with one does not stop the others.
///
/// Of those there were `before`, one is kept that cannot be read now, and one that is `in_use` by
/// runners though the configuration has it no more: GitHub is asked about them still.
pub(super) fn all(
    settings: &Settings,
    before: &Accounts,
    in_use: &BTreeSet<String>,
) -> Arc<Accounts> {
    let mut accounts = Accounts::default();
    let kept = before.0.iter().filter(|(name, _)| in_use.contains(*name));
    accounts.0.extend(kept.map(|(name, account)| (name.clone(), account.clone())));
    for one in &settings.connections {
        match connect(one) {
            Ok(None) => {}
            Ok(Some(connection)) => {
                let registers_with = match one.credential {
                    RunnerCredential::Jit => RegistersWith::Jit,
                    RunnerCredential::RegistrationToken => RegistersWith::RegistrationToken,
                };
                accounts.0.insert(one.name.clone(), Account { connection, registers_with });
            }
            Err(error) => {
                let hint = error.hint();
                match before.get(&one.name) {
                    Some(account) => {
                        accounts.0.insert(one.name.clone(), account.clone());
                        tracing::error!(connection = %one.name, %error, hint, "it goes on as it was");
                    }
                    None => {
                        tracing::error!(connection = %one.name, %error, hint, "its pools get no runners");
                    }
                }
            }
        }
    }
    Arc::new(accounts)
}

/// A connection with its secret; `None` where the configuration gives it none.
///
/// # Errors
/// If its secret cannot be read, or is no credential. Must be called inside the runtime.
pub fn connect(settings: &ConnectionSettings) -> Result<Option<Connection>, AccountError> {
    let auth = match &settings.auth {
        None => return Ok(None),
        Some(AuthSettings::Token { file }) => Auth::Token(file.read()?),
        Some(AuthSettings::App { id, key_file, installation }) => {
            Auth::App { id: id.clone(), key: key_file.read_key()?, installation: *installation }
        }
    };
    connect_with(settings, auth).map(Some)
}

/// A connection with a secret that need not be in a file.
///
/// # Errors
/// If it is no credential. Must be called inside the runtime.
pub fn connect_with(settings: &ConnectionSettings, auth: Auth) -> Result<Connection, AccountError> {
    let options = ConnectionOptions {
        name: settings.name.clone(),
        url: settings.url.clone(),
        api_url: None,
        auth,
        timeout: TIMEOUT,
    };
    Ok(Connection::new(options)?)
}
