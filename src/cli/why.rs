//! `larm why`.

use clap::Args;

use super::context::Context;
use super::print;
use super::report::{CliError, Outcome};
use crate::http::types::farm::Why;

/// Tell in plain words why a job waits, or a runner is as it is
///
/// First the answer in one sentence, then what else is known, then what happened so far.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm why 4123\n  \
    larm why larm-3f9c1a2b4d5e\n  \
    larm why 4123 --json | jq -r .answer")]
pub(super) struct Arguments {
    /// A job's number, or a runner's id, the beginning of it, or its name
    #[arg(value_name = "JOB-ID|RUNNER")]
    subject: String,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let why = context.daemon()?.why(&arguments.subject).await?;
    if context.global.json {
        print::json(&why)?;
    } else {
        tell(&why)?;
    }
    Ok(Outcome::Done)
}

fn tell(why: &Why) -> Result<(), CliError> {
    print::line(&why.subject)?;
    print::line(&format!("  {}", why.answer))?;
    for fact in &why.facts {
        print::line(&format!("  * {fact}"))?;
    }
    if why.history.is_empty() {
        return Ok(());
    }
    print::line("what happened:")?;
    for note in &why.history {
        // Fractions of a second tell nobody anything here.
        let at = note.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        print::line(&format!("  {at}  {}", note.text))?;
    }
    Ok(())
}
