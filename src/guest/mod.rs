//! What is put into an instance, and how to read what comes back from it.
//!
//! The host puts in: user-data ([`user_data`]), where it is wanted the runner application
//! ([`application`]), later a credential ([`handover`]). The host asks
//! with the commands of [`command`], and reads the answers with [`report`] and [`probe`], which
//! take them as hostile input: capped, parsed totally, never an error that stops anything else.
//! No secret is in user-data or in a command; secrets go through the file API only.

pub mod application;
pub mod bake;
pub mod cloud_init;
pub mod command;
mod credential;
pub mod handover;
pub mod logs;
pub mod mask;
pub mod metrics;
pub mod paths;
pub mod probe;
pub mod report;
mod services;
mod text;
pub mod user_data;

pub use credential::Credential;
pub use services::GuestServices;
pub use user_data::{RunnerSource, UserData, UserDataError};
