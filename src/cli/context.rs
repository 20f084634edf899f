//! What every command needs: the global arguments, and the ways to reach the daemon and LXD.

use std::io::IsTerminal;

use clap::ColorChoice;

use super::arguments::Global;
use super::client::Daemon;
use super::report::CliError;
use crate::config::{self, Overrides, Settings};
use crate::lxd::{self, ClientOptions};

/// What every command needs.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) global: Global,
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        Self { global }
    }

    /// Whether to colour what goes to `stream`.
    pub(super) fn colored(&self, stream: &impl IsTerminal) -> bool {
        match self.global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                stream.is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }

    /// What to log to standard error, as often as `-v` was given; `default` without it.
    pub(super) fn log_filter(&self, default: &str) -> String {
        match (self.global.quiet, self.global.verbose) {
            (true, _) => "error".to_owned(),
            (false, 0) => default.to_owned(),
            (false, 1) => "info,larm=debug".to_owned(),
            (false, _) => "debug,larm=trace".to_owned(),
        }
    }

    /// The configuration, with the sockets that the arguments name.
    pub(super) fn settings(&self) -> Result<Settings, CliError> {
        let flags = Overrides {
            control_socket: self.global.control_socket.clone(),
            lxd_socket: self.global.lxd_socket.clone(),
            ..Overrides::default()
        };
        Ok(config::load(self.global.config.as_deref(), flags)?)
    }

    /// The daemon on the socket that the arguments or the configuration name.
    pub(super) fn daemon(&self) -> Result<Daemon, CliError> {
        // With the socket given, even a broken configuration does not stand in the way.
        match &self.global.control_socket {
            Some(socket) => Daemon::new(socket),
            None => Daemon::new(&self.settings()?.control_socket),
        }
    }

    /// LXD, in the runners' project.
    pub(super) fn lxd(&self) -> Result<lxd::Client, CliError> {
        let settings = self.settings()?;
        let socket = lxd::find_socket(settings.lxd.socket.as_deref())?.into();
        let (project, timeout) = (settings.lxd.project, settings.lxd.timeout);
        Ok(lxd::Client::new(ClientOptions { socket, project, timeout }))
    }
}
