//! `larm init`: writes a first configuration. Ask, draft, check the draft, put it in its place.

mod answers;
mod dialogue;
mod files;
mod flags;
mod live;
mod page;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::print;
use super::report::{self, CliError, Outcome, notice};
use super::runner::instance_type;
use crate::config::{self, Overrides};
use crate::model::{GitHubPath, InstanceType};
use answers::{Answers, Auth};
use dialogue::Dialogue;
use files::Draft;

/// Write a first configuration
///
/// Asks where runners register, how larm signs in, and how many runners there may be, and writes a
/// commented configuration file. What flags say is not asked for; without a terminal, flags must say
/// where and how, and the rest has defaults. Before anything is written GitHub is asked whether the
/// credential works and may do what larm needs; that makes no runner and changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm init                                             asks\n  \
    larm init --github acme/web --token-file /etc/larm/token --max 8 --yes\n  \
    gh auth token | larm init --github acme --token-file - --type container\n  \
    larm init --github acme --app-id 123456 --app-key-file /etc/larm/app.pem")]
pub(super) struct Arguments {
    /// Where runners register: OWNER/REPOSITORY or ORGANISATION
    #[arg(long, value_name = "PATH")]
    github: Option<GitHubPath>,
    /// A file with a token, classic or fine-grained; - for stdin, which is then written to the file
    /// `token` beside the configuration
    #[arg(long, value_name = "FILE", conflicts_with_all = ["app_id", "app_key_file"])]
    token_file: Option<PathBuf>,
    /// The id or client id of a GitHub App
    #[arg(long, value_name = "ID", requires = "app_key_file")]
    app_id: Option<String>,
    /// A file with the App's private key
    #[arg(long, value_name = "FILE", requires = "app_id")]
    app_key_file: Option<PathBuf>,
    /// Where GitHub is, if it is not github.com
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// virtual-machine, or container, whose isolation is weaker
    #[arg(long = "type", value_name = "TYPE", value_parser = instance_type)]
    instance_type: Option<InstanceType>,
    /// The image's alias in LXD
    #[arg(long, value_name = "ALIAS")]
    image: Option<String>,
    /// How many runners there may be at once
    #[arg(long, value_name = "NUMBER")]
    max: Option<NonZeroU16>,
    /// How many runners wait for jobs
    #[arg(long, value_name = "NUMBER")]
    min_idle: Option<u16>,
    /// Do not ask GitHub whether the credential works
    #[arg(long)]
    no_check: bool,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
    /// Replace a configuration that is there; it is kept as FILE.bak
    #[arg(long)]
    force: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    config: PathBuf,
    token_file: Option<PathBuf>,
    backup: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let config = context.global.config.clone();
    let config = config.unwrap_or_else(|| PathBuf::from(config::DEFAULT_FILE));
    let config = files::absolute(&config)?;
    files::refuse_existing(&config, arguments.force)?;
    let dialogue = if arguments.yes || context.global.json { None } else { Dialogue::open() };
    let how =
        How { force: arguments.force, check: !arguments.no_check, confirm: dialogue.is_some() };
    let answers = Answers::collect(arguments, dialogue.as_ref(), &config.with_file_name("token"))?;
    let written = write(&config, &answers, how, context).await?;
    if context.global.json {
        print::json(&written)?;
    } else {
        tell(&written, context)?;
    }
    Ok(Outcome::Done)
}

/// How to write.
#[derive(Debug, Clone, Copy)]
struct How {
    /// Whether to replace what is there.
    force: bool,
    /// Whether to ask GitHub first.
    check: bool,
    /// Whether to ask the user first.
    confirm: bool,
}

/// Nothing is in its place before the draft is known to be right, and the configuration comes last.
async fn write(
    config: &Path,
    answers: &Answers,
    how: How,
    context: &Context,
) -> Result<Written, CliError> {
    let given = match &answers.auth {
        Auth::Token(token) => token.given.as_ref().map(|given| (&token.file, given)),
        Auth::App { .. } => None,
    };
    if let Some((file, _)) = given {
        files::refuse_existing(file, how.force)?;
    }
    let text = page::text(answers);
    let draft = Draft::new(config, &text)?;
    let settings = config::load(Some(draft.path()), Overrides::default())
        .map_err(|error| flags::blame(error, &text))?;
    if how.check {
        Box::pin(live::check(&settings, answers, context)).await?;
    }
    if how.confirm && report::confirm(&format!("Write {}?", config.display()))? != Some(true) {
        return Err(dialogue::left());
    }
    if let Some((file, token)) = given {
        files::write_secret(file, token)?;
    }
    let backup = draft.publish()?;
    Ok(Written {
        config: config.to_owned(),
        token_file: given.map(|(file, _)| file.clone()),
        backup,
    })
}

fn tell(written: &Written, context: &Context) -> Result<(), CliError> {
    if let Some(file) = &written.token_file {
        print::line(&format!("the token is in {}", file.display()))?;
    }
    if let Some(backup) = &written.backup {
        print::line(&format!("the old configuration is in {}", backup.display()))?;
    }
    print::line(&format!("the configuration is in {}", written.config.display()))?;
    notice(context, "next: `larm doctor` checks this machine, `larm serve` starts the farm");
    Ok(())
}
