//! What may be typed: the top of the command line. Each command's own arguments are in its file.

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand};

use super::{
    application, cleanup, completions, config, doctor, events, flush, image, init, job, man,
    metrics, pool, reload, report, runner, serve, setup, smoke, why,
};

/// Turns one machine with LXD into a farm of ephemeral GitHub Actions runners.
#[derive(Debug, Parser)]
#[command(
    name = "larm",
    version,
    propagate_version = false,
    long_about = "larm, the LXD Actions Runner Manager, turns one machine with LXD into a farm of ephemeral\n\
        GitHub Actions self-hosted runners: every job gets a fresh instance that nobody used before\n\
        and nobody uses after.\n\n\
        Start with `larm setup`, which prepares LXD, and `larm init`, which writes a configuration;\n\
        `larm doctor` checks the machine, and `larm smoke` proves that it can run jobs.\n\
        `larm serve` is the daemon; the other commands ask it. `larm why` tells why a job waits.",
    after_long_help = report::EXIT_CODES,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Arguments of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Read this configuration file instead of /etc/larm/larm.toml and /etc/larm/larm.d/*.toml
    #[arg(long, global = true, value_name = "FILE", env = "LARM_CONFIG", hide_env = true)]
    pub(super) config: Option<PathBuf>,
    /// Reach the daemon on this socket
    #[arg(
        long,
        global = true,
        value_name = "SOCKET",
        env = "LARM_CONTROL_SOCKET",
        hide_env = true
    )]
    pub(super) control_socket: Option<PathBuf>,
    /// Reach LXD on this socket; without it the usual places are tried
    #[arg(long, global = true, value_name = "SOCKET", env = "LARM_LXD_SOCKET", hide_env = true)]
    pub(super) lxd_socket: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Say more on standard error; twice says most
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(super) verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Colour the output
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(super) color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Serve(serve::Arguments),
    /// Create, list, look into and delete runners
    #[command(subcommand)]
    Runner(runner::RunnerCommand),
    /// List and show pools
    #[command(subcommand)]
    Pool(pool::PoolCommand),
    /// List and show jobs
    #[command(subcommand)]
    Job(job::JobCommand),
    Why(why::Arguments),
    Reload(reload::Arguments),
    Flush(flush::Arguments),
    Cleanup(cleanup::Arguments),
    Events(events::Arguments),
    Metrics(metrics::Arguments),
    Doctor(doctor::Arguments),
    Setup(setup::Arguments),
    Smoke(smoke::Arguments),
    Init(init::Arguments),
    /// Build golden images for runners, list them, and go back to an older one
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Check the configuration files, or print what holds
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List the runner applications that are kept on this machine
    #[command(subcommand)]
    Application(application::ApplicationCommand),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
