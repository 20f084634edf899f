//! `larm image list`.

use clap::Args;
use jiff::Timestamp;

use crate::cli::context::Context;
use crate::cli::doctor::bytes;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome, notice};
use crate::clock;
use crate::images::{self, Generation, Standing};

/// List the images that `larm image build` has made, the newest of each alias first
///
/// STANDING is `current` for the one that the alias names, `previous` for the one that a roll-back
/// goes to. DIES tells when GitHub gives the runner application in it no more jobs, if that is known.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm image list\n  \
    larm image list larm-runner --json | jq -r '.[0].fingerprint'")]
pub(in crate::cli) struct Arguments {
    /// Those of this alias only
    #[arg(value_name = "ALIAS")]
    alias: Option<String>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let mut all = images::list(&context.lxd()?).await?;
    if let Some(alias) = arguments.alias {
        all.retain(|one| one.alias == alias);
        if all.is_empty() {
            return Err(images::ImageError::UnknownAlias(alias).into());
        }
    }
    if context.global.json {
        print::json(&all)?;
        return Ok(Outcome::Done);
    }
    let heading = [
        "ALIAS",
        "GENERATION",
        "STANDING",
        "FINGERPRINT",
        "SIZE",
        "BASE",
        "RUNNER",
        "BUILT",
        "DIES",
    ];
    let now = clock::now();
    print::table(&heading, all.iter().map(|one| row(one, now)).collect())?;
    if all.is_empty() {
        notice(context, "there are none: `larm image build` makes the first one");
    }
    Ok(Outcome::Done)
}

fn row(one: &Generation, now: Timestamp) -> Vec<String> {
    vec![
        one.alias.clone(),
        one.number.to_string(),
        standing(one.standing).to_owned(),
        short(&one.fingerprint).to_owned(),
        bytes(one.size),
        one.base.clone(),
        one.runner_version.clone().unwrap_or_else(|| "-".to_owned()),
        one.built_at.map_or_else(|| "-".to_owned(), |at| print::age(at, now)),
        dies(one.runner_ends, now),
    ]
}

/// How a generation stands, as a word.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Current => "current",
        Standing::Previous => "previous",
        Standing::Good => "good",
        Standing::Withdrawn => "withdrawn",
        Standing::Failed => "failed",
        Standing::Candidate => "candidate",
    }
}

/// As much of a fingerprint as LXD shows.
pub(super) fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

/// When GitHub gives a version no more jobs.
pub(super) fn dies(ends: Option<Timestamp>, now: Timestamp) -> String {
    match ends {
        None => "-".to_owned(),
        Some(ends) if ends <= now => "dead".to_owned(),
        Some(ends) => {
            let days = ends.duration_since(now).as_hours() / 24;
            format!("in {days} day{}", if days == 1 { "" } else { "s" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_version_is_told_in_days() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |hours| Some(now + jiff::SignedDuration::from_hours(hours));
        assert_eq!(dies(None, now), "-");
        assert_eq!(dies(after(-1), now), "dead");
        assert_eq!(dies(after(25), now), "in 1 day");
        assert_eq!(dies(after(24 * 23), now), "in 23 days");
    }
}
