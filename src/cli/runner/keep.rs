//! `larm runner keep`.

use clap::Args;
use jiff::SignedDuration;

use super::show;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::config;
use crate::http::types::{KeepRequest, Runner};

/// Hold a runner's instance for inspection
///
/// Of a runner that lives it counts from its end; one that has ended and is still there is held from
/// now on. What was collected of it and its registration are as of any other; only its instance
/// stays, for `larm runner shell`, and takes its part of the host. `larm runner delete` removes it at
/// once, `larm cleanup` leaves it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm runner keep 3f9c --for 4h\n  \
    larm runner keep 3f9c --release\n\n\
    `[deadlines] keep_failed` in the configuration holds every runner that ends badly.")]
pub(in crate::cli) struct Arguments {
    /// The runner's id, the beginning of it, or its name
    #[arg(value_name = "RUNNER")]
    runner: String,
    /// For how long, like 30m, 4h, 2d: a week at most
    #[arg(long = "for", value_name = "TIME", default_value = "1h", conflicts_with = "release",
        value_parser = config::hold_length)]
    length: SignedDuration,
    /// Let go of it
    #[arg(long)]
    release: bool,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let Arguments { runner, length, release } = arguments;
    let body = KeepRequest { length: (!release).then_some(length) };
    let runner = context.daemon()?.keep(&runner, &body).await?;
    if context.global.json {
        print::json(&runner)?;
    } else {
        print::line(&told(&runner))?;
    }
    Ok(Outcome::Done)
}

fn told(runner: &Runner) -> String {
    let name = &runner.name;
    match show::held(runner) {
        Some(kept) => format!("{name} is kept {kept}"),
        None => format!("{name} is not kept any more"),
    }
}
