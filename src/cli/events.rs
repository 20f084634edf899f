//! `larm events`.

use clap::Args;

use super::client::EventsAsk;
use super::context::Context;
use super::print;
use super::report::{CliError, Outcome};
use crate::manager::JournalPart;
use crate::model::{JournalEntry, JournalKind, MetricEvent, RunnerMetrics};

/// How long one long poll lasts, in seconds.
const POLL: u64 = 300;

/// Show what happened to the runners, the oldest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm events --follow                 what happens from here on\n  \
    larm events --runner 3f9c --json     one runner's life, a JSON object per line\n  \
    larm events --metrics --json         runner_installed, runner_start, runner_stop, reconciliation")]
pub(super) struct Arguments {
    /// Go on as things happen, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only this runner: its id, the beginning of it, or its name
    #[arg(long, value_name = "RUNNER")]
    runner: Option<String>,
    /// Show this many of the newest
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50)]
    lines: usize,
    /// Show the metric events, as the events file has them, instead of the story
    #[arg(short, long)]
    metrics: bool,
    /// Show those after this sequence number instead
    #[arg(long, value_name = "SEQ", conflicts_with = "lines")]
    after: Option<u64>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let daemon = context.daemon()?;
    let mut ask = EventsAsk {
        after: arguments.after.unwrap_or(0),
        limit: Some(arguments.lines.max(1)),
        last: arguments.after.is_none(),
        runner: arguments.runner.as_deref(),
        part: part(&arguments, context.global.json),
        wait: None,
    };
    loop {
        let answer = daemon.events(&ask).await?;
        for entry in &answer.events {
            show(context, entry)?;
        }
        // Without --follow a request by sequence number goes on to the end of the journal.
        let more = !ask.last && answer.events.len() >= arguments.lines.max(1);
        if !arguments.follow && !more {
            return Ok(Outcome::Done);
        }
        ask.after = answer.next;
        ask.last = false;
        ask.wait = arguments.follow.then_some(POLL);
    }
}

/// Programs get all that there is; people read the story.
fn part(arguments: &Arguments, json: bool) -> JournalPart {
    match (arguments.metrics, json) {
        (true, _) => JournalPart::Metrics,
        (false, true) => JournalPart::All,
        (false, false) => JournalPart::Story,
    }
}

fn show(context: &Context, entry: &JournalEntry) -> Result<(), CliError> {
    if context.global.json { print::json_line(entry) } else { print::line(&line(entry)) }
}

fn line(entry: &JournalEntry) -> String {
    let at = entry.at.strftime("%Y-%m-%d %H:%M:%S%.3fZ");
    let runner = entry.runner.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    format!("{at}  {runner}  {}", what(&entry.what))
}

/// What happened, on one line.
pub(super) fn what(kind: &JournalKind) -> String {
    match kind {
        JournalKind::Metrics { metrics } => format!("metrics: {}", summary(metrics)),
        JournalKind::Metric { metric } => metric_line(metric),
        JournalKind::Phase { .. } | JournalKind::Mismatch { .. } | JournalKind::Note { .. } => {
            kind.story().unwrap_or_default()
        }
    }
}

/// A metric event, on one line: as the events file has it.
fn metric_line(metric: &MetricEvent) -> String {
    serde_json::to_string(metric).unwrap_or_else(|error| error.to_string())
}

/// A runner's metrics, on one line.
pub(super) fn summary(metrics: &RunnerMetrics) -> String {
    let job = metrics.pre_job.as_ref().map_or_else(
        || "no job".to_owned(),
        |job| format!("job {} of {} ({})", job.workflow, job.repository, job.event),
    );
    let span = match (&metrics.pre_job, &metrics.post_job) {
        (Some(pre), Some(post)) if post.timestamp >= pre.timestamp => {
            format!(" in {:.1}s", post.timestamp - pre.timestamp)
        }
        _ => String::new(),
    };
    let end = metrics.post_job.as_ref().map_or_else(String::new, |post| {
        let code =
            post.status_info.as_ref().map_or_else(String::new, |info| format!(" {}", info.code));
        format!(", ended {}{code}", status_word(post.status))
    });
    format!("{job}{span}{end}")
}

fn status_word(status: crate::model::PostJobStatus) -> &'static str {
    use crate::model::PostJobStatus;
    match status {
        PostJobStatus::Normal => "normal",
        PostJobStatus::Abnormal => "abnormal",
        PostJobStatus::RepoPolicyCheckFailure => "refused by the repository policy",
        PostJobStatus::ExternalContributorCheckFailure => {
            "refused: a pull request from outside the repository"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Phase;

    #[test]
    fn an_entry_is_a_line() {
        let entry = |what| JournalEntry {
            seq: 7,
            at: "2026-11-23T20:00:00.25Z".parse().unwrap(),
            runner: Some("larm-3f9c1a2b4d5e".parse().unwrap()),
            what,
        };
        let phase = JournalKind::Phase {
            phase: Phase::Failed,
            from: Some(Phase::Booting),
            reason: Some("booting for longer than its deadline".to_owned()),
            guest_at: None,
        };
        assert_eq!(
            line(&entry(phase)),
            "2026-11-23 20:00:00.250Z  larm-3f9c1a2b4d5e  failed: booting for longer than its deadline"
        );
        let note = JournalKind::Note { text: "flushed".to_owned() };
        assert_eq!(line(&entry(note)), "2026-11-23 20:00:00.250Z  larm-3f9c1a2b4d5e  flushed");
    }

    #[test]
    fn metrics_are_summed_up() {
        let metrics: RunnerMetrics = serde_json::from_value(serde_json::json!({
            "runner_name": "larm-3f9c1a2b4d5e",
            "installation_start_timestamp": 1.0,
            "installed_timestamp": 2.0,
            "pre_job": {"timestamp": 10.0, "workflow": "CI", "workflow_run_id": "1",
                        "repository": "acme/web", "event": "push"},
            "post_job": {"timestamp": 14.5, "status": "abnormal", "status_info": {"code": 3}},
        }))
        .unwrap();
        assert_eq!(summary(&metrics), "job CI of acme/web (push) in 4.5s, ended abnormal 3");
    }
}
