//! What a runner registers with, as `create` and `give` take it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::report::CliError;
use crate::cli::secret;
use crate::http::types::{CredentialBody, RegistrationBody};

/// `create` adds another choice to the group: none.
#[derive(Debug, Args)]
#[command(next_help_heading = "Credential (one of these)")]
#[group(id = "credential", required = true, multiple = false)]
pub(super) struct CredentialArguments {
    /// A file with an encoded just-in-time configuration; - for stdin
    #[arg(long, value_name = "FILE")]
    jit_config_file: Option<PathBuf>,
    /// A file with a registration token; - for stdin
    #[arg(long, value_name = "FILE", requires = "github")]
    registration_token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "With a registration token")]
pub(super) struct RegistrationArguments {
    /// Where to register: ORGANISATION or OWNER/REPOSITORY
    #[arg(
        long,
        value_name = "PATH",
        requires = "registration_token_file",
        conflicts_with = "jit_config_file"
    )]
    github: Option<String>,
    /// The runner group to join, in an organisation
    #[arg(long, requires = "registration_token_file", conflicts_with = "jit_config_file")]
    group: Option<String>,
    /// The labels to register with
    #[arg(
        long,
        value_name = "LABEL,...",
        value_delimiter = ',',
        requires = "registration_token_file",
        conflicts_with = "jit_config_file"
    )]
    labels: Vec<String>,
}

impl CredentialArguments {
    /// Reads the secret that was named, if one was.
    pub(super) fn read(
        &self,
        registration: RegistrationArguments,
    ) -> Result<Option<CredentialBody>, CliError> {
        if let Some(path) = &self.jit_config_file {
            return Ok(Some(CredentialBody::JitConfig(secret::read(path)?)));
        }
        let Some(path) = &self.registration_token_file else { return Ok(None) };
        Ok(Some(CredentialBody::RegistrationToken(RegistrationBody {
            token: secret::read(path)?,
            github: registration.github.unwrap_or_default(),
            group: registration.group,
            labels: registration.labels,
        })))
    }
}
