//! The configuration: as written, then merged, then checked.
//!
//! ```text
//! /etc/larm/larm.toml       the file, or the one that --config names
//! /etc/larm/larm.d/*.toml   drop-ins in the order of their names: what is written later wins
//! flags                     win over both
//! ```
//!
//! Every value is checked where it is read, so that an error names its file and line. [`Settings`]
//! has no gaps left: what is not written has its default. Credentials are never in these files;
//! [`read_secret`] takes them from files of their own.

mod credential;
mod error;
mod fragment;
mod group;
mod load;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use credential::{CredentialError, is_stdin, read_secret};
pub use error::ConfigError;
pub use group::Group;
pub use load::{DEFAULT_FILE, load};
pub use settings::{
    GitHubSettings, LimitSettings, LxdSettings, Overrides, RunnerSettings, Settings, Tarball,
};
