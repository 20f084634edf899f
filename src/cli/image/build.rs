//! `larm image build`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::application;
use crate::cli::block_on;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::progress::Progress as Spinner;
use crate::cli::report::{CliError, Outcome, notice};
use crate::cli::runner::instance_type;
use crate::config;
use crate::daemon::{self, LogFormat, StopSignal};
use crate::images::{self, BuildError, BuildOptions, Built, ImageError, Progress};
use crate::model::InstanceType;

/// Build a golden image: packages, the runner application, nothing that a runner does not need
///
/// Bakes it in a throw-away instance of the base, tries it with an instance that must become ready,
/// and only then lets the alias stand for it. A build that fails or is interrupted leaves the alias
/// and the generation before it as they are, and nothing else. `image = "ALIAS"` in `[runner]`, or in a
/// pool, makes runners from it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm image build\n  \
    larm image build --base ubuntu:24.04 --recipe image.toml\n  \
    larm image build --alias larm-small --application actions-runner-linux-x64-2.330.0.tar.gz")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    image: Image,
    #[command(flatten)]
    instance: Instance,
    /// Keep so many older good generations
    #[arg(long, value_name = "N", default_value_t = 1)]
    keep: usize,
    /// Keep an image that does not prove good, to look at it
    #[arg(long)]
    keep_failed: bool,
    /// How long the whole build may take, like 30m
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration)]
    limit: Duration,
}

#[derive(Debug, Args)]
struct Image {
    /// The image's alias
    #[arg(long, value_name = "ALIAS", default_value = images::DEFAULT_ALIAS)]
    alias: String,
    /// The recipe, in TOML; without it larm's own
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Begin with this image instead of the recipe's: an alias, a fingerprint, or REMOTE:ALIAS
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// Put this archive of the runner application in
    #[arg(long, value_name = "FILE")]
    application: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Instance {
    /// Build for this kind of instance instead of `[runner] type`
    #[arg(long = "type", value_name = "TYPE", value_parser = instance_type)]
    instance_type: Option<InstanceType>,
    /// Bake with these LXD profiles instead of those of `[runner]`, like one with another network
    #[arg(long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration like 90s or 30m".to_owned();
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).ok().filter(|limit| !limit.is_zero()).ok_or_else(wrong)
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    daemon::start_logging(&context.log_filter("error"), LogFormat::Text)?;
    block_on(Box::pin(build(arguments, context)))
}

async fn build(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let mut signals = StopSignal::catch()?;
    let stop = CancellationToken::new();
    let options = tokio::select! {
        () = signals.next() => return Err(ImageError::Stopped.into()),
        options = options(arguments, context) => options?,
    };
    let (project, alias) = (options.client.project().to_owned(), options.alias.clone());
    let spinner = Spinner::start(context, "");
    let mut broken = None;
    let tell = |progress: Progress| {
        let told = tell(&progress, &spinner, context);
        broken = broken.take().or_else(|| told.err());
    };
    let built = {
        let mut building = std::pin::pin!(images::build(options, tell, stop.clone()));
        loop {
            tokio::select! {
                built = &mut building => break built,
                () = next(&mut signals, &stop) => {
                    if stop.is_cancelled() {
                        return Err(ImageError::LeftAsItIs.into());
                    }
                    spinner.say("ending: what was made is removed; once more leaves it as it is");
                    stop.cancel();
                }
            }
        }
    };
    drop(spinner);
    let built = built.map_err(|error| of_build(error, &project))?;
    print_built(&built, &alias, context)?;
    broken.map_or(Ok(Outcome::Done), Err)
}

/// The first signal asks for an end; after that only one that insists counts.
async fn next(signals: &mut StopSignal, stop: &CancellationToken) {
    if stop.is_cancelled() {
        signals.insisted().await;
    } else {
        signals.next().await;
    }
}

async fn options(arguments: Arguments, context: &Context) -> Result<BuildOptions, CliError> {
    let Arguments { image, instance, keep, keep_failed, limit } = arguments;
    let recipe = config::recipe(image.recipe.as_deref())?;
    let base = image.base.as_deref().unwrap_or(&recipe.base).parse()?;
    let settings = context.settings()?;
    let client = context.lxd()?;
    // Before anything is fetched for it: whether LXD answers at all.
    client.server().await?;
    let archive = if recipe.parts.application {
        application::archive(&settings, image.application.as_deref()).await?
    } else {
        None
    };
    let boot = Duration::try_from(settings.deadlines.boot).unwrap_or_default();
    let mut spec = settings.runner.spec;
    spec.instance_type = instance.instance_type.unwrap_or(spec.instance_type);
    if !instance.profiles.is_empty() {
        spec.profiles = instance.profiles;
    }
    Ok(BuildOptions {
        client,
        alias: image.alias,
        base,
        recipe,
        application: archive,
        spec,
        keep,
        keep_failed,
        limit,
        boot,
    })
}

/// One line for each step that has ended; what goes on is in the spinner. As JSON each event.
fn tell(progress: &Progress, spinner: &Spinner, context: &Context) -> Result<(), CliError> {
    match progress {
        Progress::Began { step } => spinner.say(&step.to_string()),
        Progress::Line { step, text } => spinner.say(&format!("{step}: {text}")),
        Progress::Ended { .. } | Progress::Note { .. } => {}
    }
    if context.global.json {
        return print::json_line(progress);
    }
    match progress {
        Progress::Ended { step, took } => {
            notice(context, &format!("[{:>6.1} s] {step}", took.as_secs_f64()));
        }
        Progress::Note { text } => notice(context, &format!("warning: {text}")),
        Progress::Began { .. } | Progress::Line { .. } => {}
    }
    Ok(())
}

fn print_built(built: &Built, alias: &str, context: &Context) -> Result<(), CliError> {
    if context.global.json {
        return print::json_line(built);
    }
    let one = &built.generation;
    let short = super::list::short(&one.fingerprint);
    print::line(&format!("{alias} is generation {}, {short}", one.number))?;
    for gone in &built.pruned.generations {
        print::line(&format!("deleted {}@{}", gone.alias, gone.number))?;
    }
    Ok(())
}

fn of_build(error: BuildError, project: &str) -> CliError {
    let BuildError { step, error, left, kept } = error;
    let mut ways: Vec<String> = error.hint().into_iter().collect();
    if let Some(fingerprint) = kept {
        let delete = format!("lxc image delete {fingerprint} --project {project}");
        ways.push(format!("the image is kept: look at it, then `larm image prune` or `{delete}`"));
    }
    ways.extend(left.iter().map(|command| format!("remove what is left: `{command}`")));
    let hint = (!ways.is_empty()).then(|| ways.join("\n"));
    CliError::Build { message: format!("failed to {step}"), source: Box::new(error), hint }
}
