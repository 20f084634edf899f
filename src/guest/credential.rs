//! What a runner registers with.

use secrecy::SecretString;

use crate::model::GitHubRunnerConfig;

/// What a runner registers with. Lives in memory only, until the guest has it.
#[derive(Debug, Clone)]
pub enum Credential {
    /// An encoded just-in-time configuration (GitHub REST API, "Create configuration for a
    /// just-in-time runner"): one runner, one job.
    Jit(SecretString),
    /// A registration token (GitHub REST API, "Create a registration token"), with where and as
    /// what to register.
    RegistrationToken {
        /// The token; valid for one hour.
        token: SecretString,
        /// The URL of the organisation or repository, `https://github.com/acme/web`.
        url: String,
        /// Where runners register, and what jobs they take.
        config: GitHubRunnerConfig,
    },
}
