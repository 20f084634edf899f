//! `larm smoke`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use tokio::runtime;

use super::context::Context;
use super::print;
use super::report::{CliError, Outcome, notice};
use super::runner::instance_type;
use crate::daemon::{self, LogFormat, StopSignal};
use crate::lxd::Client;
use crate::model::{Deadlines, InstanceType};
use crate::smoke::{self, End, Moment, SmokeOptions, Summary};

/// What a guest says that could not reach the stand-in for GitHub.
const NO_DOWNLOAD: &str = "the runner application could not be downloaded";

/// Prove that this host can run jobs, without a GitHub account
///
/// Starts a small stand-in for GitHub on the bridge's address, gives jobs to runners in real
/// instances, and shows each runner's life as it goes on. Needs no running daemon, and leaves
/// nothing behind. Exit code 0 means that every job ran exactly once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm smoke\n  \
    larm smoke --jobs 10 --type container\n  \
    larm smoke --json | jq .figures")]
pub(super) struct Arguments {
    /// How many jobs to run, each by a runner of its own
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=500))]
    jobs: u16,
    /// How long each job takes, like 1s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    duration: Duration,
    /// How long the whole run may take, like 10m
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    limit: Duration,
    /// The port of the stand-in for GitHub on the bridge's address, where a firewall must let guests
    /// in; any free one without it
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// The kind of instances: virtual-machine (or vm) or container
    #[arg(long = "type", value_name = "TYPE", value_parser = instance_type)]
    instance_type: Option<InstanceType>,
    /// The image's alias
    #[arg(long, value_name = "ALIAS")]
    image: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration like 90s or 5m".to_owned();
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

pub(super) fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    daemon::start_logging(&context.log_filter("warn"), LogFormat::Text)?;
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "start the runtime".to_owned(), source })?;
    runtime.block_on(play(arguments, context))
}

async fn play(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let mut signals = StopSignal::catch()?;
    let options = options(arguments, context)?;
    let (client, state_dir) = (options.client.clone(), options.state_dir.clone());
    tell_of_others(&client, context).await?;
    let mut broken = None;
    let tell = |moment: Moment| {
        if !context.global.json && broken.is_none() {
            broken = print::line(&line(&moment)).err();
        }
    };
    let played = smoke::run(options, tell, &mut signals).await;
    if played.as_ref().is_ok_and(|summary| !summary.failures.is_empty()) {
        notice(context, &format!("logs of what failed are kept in {}", state_dir.display()));
    } else {
        remove(state_dir).await;
    }
    let summary = played?;
    let printed = broken.map_or_else(|| print_summary(&summary, context), Err);
    if summary.ok {
        return printed.map(|()| Outcome::Done);
    }
    // Whether anybody reads on or not: it went wrong.
    bad_end(&summary, client.project(), context)
}

/// A run that was killed cannot clean up, and nobody else knows of its instances.
async fn tell_of_others(client: &Client, context: &Context) -> Result<(), CliError> {
    let others = smoke::instances_of_others(client).await?;
    if !others.is_empty() {
        notice(
            context,
            &format!(
                "note: another smoke run is under way, or was killed and left instances behind: {}",
                delete_command(&others, client.project())
            ),
        );
    }
    Ok(())
}

fn bad_end(summary: &Summary, project: &str, context: &Context) -> Result<Outcome, CliError> {
    let names: Vec<String> = summary.instances_left.iter().map(ToString::to_string).collect();
    let left = if names.is_empty() {
        "its instances were removed".to_owned()
    } else {
        format!("left behind: {}", names.join(", "))
    };
    let or_delete = |hint: &str| {
        if names.is_empty() { hint.to_owned() } else { delete_command(&names, project) }
    };
    match summary.end {
        End::Complete => {
            if !names.is_empty() {
                notice(
                    context,
                    &format!("remove what is left: {}", delete_command(&names, project)),
                );
            }
            Ok(Outcome::Wrong)
        }
        End::OutOfTime => Err(CliError::TimedOut {
            message: format!("the run took longer than allowed; {left}"),
            hint: or_delete("give it more time with --limit"),
        }),
        End::Interrupted | End::LeftAsItIs => Err(CliError::Interrupted {
            message: format!("the run did not come to its end; {left}"),
            hint: or_delete("`larm smoke` runs it again"),
        }),
    }
}

/// One order for each instance: given several, lxc ends after the first one that is ephemeral.
fn delete_command(names: &[String], project: &str) -> String {
    let delete = format!("lxc delete --force --project {project}");
    match names {
        [name] => format!("`{delete} {name}`"),
        _ => format!("`for name in {}; do {delete} $name; done`", names.join(" ")),
    }
}

fn options(arguments: Arguments, context: &Context) -> Result<SmokeOptions, CliError> {
    let settings = context.settings()?;
    let mut spec = settings.runner.spec;
    spec.instance_type = arguments.instance_type.unwrap_or(spec.instance_type);
    spec.image = arguments.image.unwrap_or(spec.image);
    if spec.instance_type == InstanceType::Container {
        notice(context, "warning: containers share the host's kernel: run only code you trust");
    }
    Ok(SmokeOptions {
        client: context.lxd()?,
        spec,
        // A smoke run leaves nothing behind.
        deadlines: Deadlines { keep_failed: None, ..settings.deadlines },
        parallel: daemon::parallel(&settings.limits, None),
        jobs: usize::from(arguments.jobs),
        duration: arguments.duration,
        port: arguments.port,
        limit: arguments.limit,
        state_dir: std::env::temp_dir().join(format!("larm-smoke-{}", uuid::Uuid::new_v4())),
    })
}

async fn remove(state_dir: PathBuf) {
    if let Err(error) = tokio::fs::remove_dir_all(&state_dir).await
        // A run that could not begin has made none.
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "{} was not removed", state_dir.display());
    }
}

fn line(moment: &Moment) -> String {
    let stay = match (moment.from, moment.took) {
        (Some(from), Some(took)) => format!("  after {took:.2} s {from}"),
        (Some(_) | None, _) => String::new(),
    };
    let reason = moment.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!("[{:7.2}s] {}  {:<9}{stay}{reason}", moment.elapsed, moment.runner, moment.phase)
}

fn print_summary(summary: &Summary, context: &Context) -> Result<(), CliError> {
    if context.global.json {
        return print::json(summary);
    }
    print::line("")?;
    for (name, value) in figures(summary) {
        print::line(&format!("{name:<52} {value}"))?;
    }
    print::line("")?;
    for text in summary.failures.iter().chain(&summary.left_behind) {
        print::line(&format!("wrong: {text}"))?;
    }
    if summary.failures.iter().any(|text| text.contains(NO_DOWNLOAD)) {
        print::line(&format!(
            "note: guests download from {}: does a firewall on this host let them? --port fixes the port",
            summary.github
        ))?;
    }
    let ran = summary.jobs.iter().filter(|job| job.ok).count();
    print::line(&format!(
        "{}: {ran} of {} jobs ran exactly once, {} left behind",
        match summary.end {
            End::Complete if summary.ok => "ok",
            End::Interrupted | End::LeftAsItIs => "interrupted",
            End::Complete | End::OutOfTime => "FAILED",
        },
        summary.jobs.len(),
        if summary.left_behind.is_empty() { "nothing" } else { "something" },
    ))
}

fn figures(summary: &Summary) -> Vec<(&'static str, String)> {
    let figures = &summary.figures;
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |one| format!("{one:.2} s"));
    let millis =
        |value: Option<f64>| value.map_or("-".to_owned(), |one| format!("{:.0} ms", one * 1000.0));
    vec![
        ("LXD makes and starts the instance (median)", seconds(figures.create)),
        ("the guest boots", seconds(figures.boot)),
        ("from ready to listening", seconds(figures.register)),
        ("from listening to busy", seconds(figures.pick_up)),
        ("the job with its hooks", seconds(figures.job)),
        ("from the runner's end to the instance's", seconds(figures.removal)),
        ("from the guest's change of phase to our record", millis(figures.bell_median)),
        ("  the slowest of these", millis(figures.bell_max)),
        ("larm's own share from order to listening", millis(figures.own_share)),
    ]
}

#[cfg(test)]
mod tests {
    use super::{NO_DOWNLOAD, delete_command};

    /// `lxc delete --force a b` removed `a` and said nothing of `b`.
    #[test]
    fn each_instance_is_deleted_by_an_order_of_its_own() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(delete_command(&names[..1], "larm"), "`lxc delete --force --project larm a`");
        assert_eq!(
            delete_command(&names, "larm"),
            "`for name in a b; do lxc delete --force --project larm $name; done`"
        );
    }

    #[test]
    fn a_guest_says_so_in_these_words() {
        assert!(include_str!("../guest/files/guest.sh").contains(NO_DOWNLOAD));
    }
}
