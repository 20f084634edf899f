//! `larm image show`.

use clap::Args;

use super::list::{dies, standing};
use crate::cli::context::Context;
use crate::cli::doctor::bytes;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::clock;
use crate::images::{self, Generation};

/// Show one generation of an image
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm image show\n  \
    larm image show larm-runner@3")]
pub(in crate::cli) struct Arguments {
    /// The alias, for its current generation, or a generation of it
    #[arg(value_name = "ALIAS[@N]", default_value = images::DEFAULT_ALIAS)]
    image: String,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let client = context.lxd()?;
    let named = arguments.image.rsplit_once('@');
    let one = match named.map(|(alias, number)| (alias, number.parse())) {
        None => images::current(&client, &arguments.image).await?,
        Some((alias, Ok(number))) => images::find(&client, alias, number).await?,
        Some((_, Err(_))) => {
            return Err(CliError::Usage {
                message: format!("\"{}\" names no generation", arguments.image),
                hint: "write a number after the @, like larm-runner@3".to_owned(),
            });
        }
    };
    if context.global.json {
        print::json(&one)?;
    } else {
        print::table(&[], rows(&one))?;
    }
    Ok(Outcome::Done)
}

fn rows(one: &Generation) -> Vec<Vec<String>> {
    let now = clock::now();
    let built = one
        .built_at
        .map_or_else(|| "-".to_owned(), |at| format!("{at:.0} ({} ago)", print::age(at, now)));
    let rows = [
        ("alias", one.alias.clone()),
        ("generation", one.number.to_string()),
        ("standing", standing(one.standing).to_owned()),
        ("fingerprint", one.fingerprint.clone()),
        ("type", one.kind.clone()),
        ("size", bytes(one.size)),
        ("base", one.base.clone()),
        ("base's fingerprint", one.base_fingerprint.clone()),
        ("recipe", one.recipe.clone()),
        ("runner", one.runner_version.clone().unwrap_or_else(|| "-".to_owned())),
        ("built", built),
        ("dies", dies(one.runner_ends, now)),
    ];
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}
