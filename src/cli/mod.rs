//! The command line: one command per file, each asks and then prints.

mod application;
mod arguments;
mod cleanup;
mod client;
mod completions;
mod config;
mod context;
mod doctor;
mod events;
mod flush;
mod image;
mod init;
mod job;
mod man;
mod metrics;
mod pool;
mod print;
mod progress;
mod reload;
mod report;
mod runner;
mod secret;
mod serve;
mod setup;
mod smoke;
mod sysctl;
mod terminal;
mod why;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime;

use arguments::{Arguments, Command};
use context::Context;
use report::{CliError, Outcome};

/// Runs the command line and returns the exit code that `larm --help` documents.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return report::usage(&error),
    };
    let context = Context::new(arguments.global);
    let outcome = run(arguments.command, &context);
    report::finish(outcome, &context)
}

fn run(command: Command, context: &Context) -> Result<Outcome, CliError> {
    match command {
        Command::Runner(command) => block_on(runner::run(command, context)),
        Command::Pool(command) => block_on(pool::run(command, context)),
        Command::Job(command) => block_on(job::run(command, context)),
        Command::Why(arguments) => block_on(why::run(arguments, context)),
        Command::Reload(arguments) => block_on(reload::run(arguments, context)),
        Command::Application(command) => block_on(application::run(command, context)),
        Command::Flush(arguments) => block_on(flush::run(arguments, context)),
        Command::Cleanup(arguments) => block_on(cleanup::run(arguments, context)),
        Command::Events(arguments) => block_on(events::run(arguments, context)),
        Command::Metrics(arguments) => block_on(metrics::run(arguments, context)),
        Command::Doctor(arguments) => block_on(doctor::run(arguments, context)),
        Command::Setup(arguments) => block_on(setup::run(arguments, context)),
        Command::Init(arguments) => block_on(init::run(arguments, context)),
        Command::Image(command) => image::run(command, context),
        Command::Config(command) => config::run(&command, context),
        Command::Smoke(arguments) => smoke::run(arguments, context),
        Command::Serve(arguments) => serve::run(&arguments, context),
        Command::Completions(arguments) => completions::run(&arguments, context),
        Command::Man(arguments) => man::run(&arguments, context),
    }
}

/// Runs a command that asks others; one thread is enough for that.
fn block_on(command: impl Future<Output = Result<Outcome, CliError>>) -> Result<Outcome, CliError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "start the runtime".to_owned(), source })?;
    runtime.block_on(command)
}
