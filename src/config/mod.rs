//! The configuration: as written, then merged, then checked.
//!
//! ```text
//! /etc/larm/larm.toml       the file, or the one that --config names
//! /etc/larm/larm.d/*.toml   drop-ins in the order of their names: what is written later wins
//! flags                     win over both
//! ```
//!
//! Every value is checked where it is read, so that an error names its file and line; values that
//! must fit together remember their places and are checked after the merge, all at once.
//! [`Settings`] has no gaps left: what is not written has its default. Credentials are never in
//! these files; [`read_secret`] and [`SecretFile`] take them from files of their own.

#[macro_use]
mod merge;

mod connection;
mod credential;
mod error;
mod events;
mod fragment;
mod group;
mod host;
mod image;
mod isolation;
mod load;
mod logs;
mod mask;
mod metrics;
mod name;
mod place;
mod pool;
mod recipe;
mod secret_file;
mod services;
mod settings;
mod shown;
mod size;
#[cfg(test)]
mod tests;
mod value;
mod webhook;

pub use connection::{AuthSettings, ConnectionSettings, RunnerCredential};
pub use credential::{CredentialError, is_stdin, read_key, read_secret};
pub use error::{ConfigError, Problem};
pub use events::EventsSettings;
pub use group::Group;
pub use host::HostSettings;
pub use image::ImageSettings;
pub use isolation::IsolationSettings;
pub use load::{DEFAULT_FILE, load};
pub use logs::LogSettings;
pub use metrics::MetricsSettings;
pub use place::Fault;
pub use recipe::recipe;
pub use secret_file::SecretFile;
pub use services::{RepoPolicySettings, ScriptSettings, ServiceSettings};
pub use settings::{
    ApplicationOrigin, GitHubSettings, LimitSettings, LxdSettings, Overrides, RunnerSettings,
    Settings, Tarball,
};
pub use shown::Shown;
pub use value::hold_length;
pub use webhook::WebhookSettings;
