//! The end of a smoke run: did every job run exactly once, and is nothing left behind?

use serde::Serialize;

use super::standin::{JobRecord, JobState};
use super::timeline::{Timeline, largest, median};
use super::{SmokeError, Stage};
use crate::model::{InstanceName, Phase};

/// The end of a smoke run. Durations are in seconds.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Whether every job ran exactly once, in time, and nothing is left behind.
    pub ok: bool,
    /// How the run came to its end.
    pub end: End,
    /// Where guests reached the stand-in for GitHub.
    pub github: String,
    /// What became of each job.
    pub jobs: Vec<JobOutcome>,
    /// What is left behind that should be gone, in plain words.
    pub left_behind: Vec<String>,
    /// The instances among them, by name.
    pub instances_left: Vec<InstanceName>,
    /// Why runners failed that did.
    pub failures: Vec<String>,
    /// How long everything took.
    pub figures: Figures,
}

/// How a smoke run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Every runner's life was over.
    Complete,
    /// It took longer than allowed; its instances were removed as far as that was possible.
    OutOfTime,
    /// A signal came; its instances were removed as far as that was possible.
    Interrupted,
    /// A second signal came; nothing more was done.
    LeftAsItIs,
}

/// What became of a job.
#[derive(Debug, Clone, Serialize)]
pub struct JobOutcome {
    /// Its name.
    pub job: String,
    /// The runner that ran it.
    pub runner: Option<String>,
    /// How often it was run.
    pub runs: u32,
    /// Whether it ran exactly once, to its end.
    pub ok: bool,
}

/// How long everything took, in seconds: medians over all runners but where it says otherwise.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// LXD made and started the instance.
    pub create: Option<f64>,
    /// The guest booted until it was ready.
    pub boot: Option<f64>,
    /// From ready to listening.
    pub register: Option<f64>,
    /// From listening to busy.
    pub pick_up: Option<f64>,
    /// The job, with its hooks.
    pub job: Option<f64>,
    /// From the runner's end to the instance's.
    pub removal: Option<f64>,
    /// From the guest's change of phase to its record on the host's disk.
    pub bell_median: Option<f64>,
    /// The slowest of these.
    pub bell_max: Option<f64>,
    /// The manager's own share from the order to listening: LXD's work, the guest's boot and the
    /// runner's own start subtracted.
    pub own_share: Option<f64>,
}

pub(super) async fn sum_up(
    stage: &Stage<'_>,
    timeline: &Timeline,
    end: End,
) -> Result<Summary, SmokeError> {
    let jobs: Vec<JobOutcome> = stage.github.jobs().iter().map(outcome).collect();
    let instances_left = stage.leftovers(end).await?;
    let left_behind = left_behind(stage, &instances_left, end);
    let view = stage.manager.view();
    let failed = view.runners.values().filter_map(|record| {
        let failure = record.failure.as_ref()?;
        Some(format!("{}: {} (while {})", record.name, failure.reason, failure.phase))
    });
    let failures: Vec<String> = failed.collect();
    let all_ran = jobs.len() == stage.options.jobs && jobs.iter().all(|job| job.ok);
    let shares = view.runners.values().filter_map(|record| timeline.own_share(record)).collect();
    Ok(Summary {
        ok: all_ran && left_behind.is_empty() && failures.is_empty() && end == End::Complete,
        end,
        github: stage.github.url().to_owned(),
        jobs,
        left_behind,
        instances_left,
        failures,
        figures: figures(timeline, shares),
    })
}

fn outcome(job: &JobRecord) -> JobOutcome {
    JobOutcome {
        job: job.name.clone(),
        runner: job.runner.clone(),
        runs: job.runs,
        ok: job.runs == 1 && job.state == JobState::Succeeded,
    }
}

fn left_behind(stage: &Stage<'_>, instances: &[InstanceName], end: End) -> Vec<String> {
    let instance = |name: &InstanceName| format!("instance {name} in LXD");
    let mut left: Vec<String> = instances.iter().map(instance).collect();
    // The stand-in ends with the run, and with it the registrations that no runner has used.
    let registered = stage.github.runners().into_iter().filter(|_| end == End::Complete);
    left.extend(registered.map(|runner| format!("runner {} at GitHub", runner.name)));
    let view = stage.manager.view();
    let records = view.runners.values().filter(|record| record.phase != Phase::Gone);
    left.extend(records.map(|record| format!("record of {} ({})", record.name, record.phase)));
    left
}

fn figures(timeline: &Timeline, shares: Vec<f64>) -> Figures {
    let stay = |phase| median(timeline.stays(phase));
    let bells = timeline.bells();
    Figures {
        create: stay(Phase::Creating),
        boot: stay(Phase::Booting),
        register: stay(Phase::Standby),
        pick_up: stay(Phase::Listening),
        job: stay(Phase::Busy),
        removal: median(
            timeline
                .stays(Phase::Finished)
                .iter()
                .zip(timeline.stays(Phase::Deleting))
                .map(|(a, b)| a + b)
                .collect(),
        ),
        bell_max: largest(&bells),
        bell_median: median(bells),
        own_share: median(shares),
    }
}
