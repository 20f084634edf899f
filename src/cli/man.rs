//! `larm man`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::arguments;
use super::context::Context;
use super::print;
use super::report::{CliError, Outcome};

/// Print larm's manual page, or write those of all commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm man | man --local-file -\n  \
    larm man /usr/local/share/man/man1")]
pub(super) struct Arguments {
    /// Write one page for each command into this directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, _context: &Context) -> Result<Outcome, CliError> {
    let command = arguments::Arguments::command();
    let Some(directory) = &arguments.directory else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(CliError::Output)?;
        print::bytes(&page, false)?;
        return Ok(Outcome::Done);
    };
    let failed = |source| CliError::Io {
        what: format!("write manual pages into {}", directory.display()),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(command, directory).map_err(failed)?;
    Ok(Outcome::Done)
}
