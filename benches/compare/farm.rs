//! larm: from a queued job to the end of its runner's instance.

use std::collections::BTreeMap;
use std::time::Duration;

use larm::model::{JournalKind, Phase};
use larm::smoke::standin::{Event, EventKind};
use tokio::sync::broadcast::Receiver;

use crate::bare::now;
use crate::figures::{Life, Round};
use crate::ground::{Ground, PATIENCE};
use crate::larm::Larm;
use crate::meter::Meter;
use crate::process::Process;
use crate::rig::Rig;
use crate::setting::{change, delete_seeds, no_runner_is_left, settle};
use crate::{host, machine, number};

/// So long the daemon has made nothing when a round begins: longer than it waits itself before it
/// tries out how instances are made best.
const QUIET: Duration = Duration::from_secs(8);

/// What a runner is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Nothing: as many standbys are made as there would be jobs, which is what bare instances are
    /// compared with.
    NoJob,
    /// The job that waits.
    Job,
    /// It is there when the job comes.
    Standby,
}

/// A kind of start.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What is measured.
    pub(crate) course: Course,
    /// The image, if not the tests' one.
    image: Option<String>,
    /// How instances are made.
    creation: String,
}

pub(crate) fn kinds() -> Vec<Kind> {
    let creation = host::variable("LARM_BENCH_CREATION", "image");
    let kind = |name, course, image| Kind { name, course, image, creation: creation.clone() };
    let baked = Some(host::variable("LARM_BENCH_BAKED", "")).filter(|alias| !alias.is_empty());
    let mut kinds =
        vec![kind("larm without a job", Course::NoJob, None), kind("larm cold", Course::Job, None)];
    kinds.extend(baked.map(|alias| kind("larm baked", Course::Job, Some(alias))));
    kinds.push(kind("larm standby", Course::Standby, None));
    kinds
}

/// When things happened to a runner, in seconds since the epoch.
type Times = BTreeMap<&'static str, f64>;

pub(crate) async fn round(rig: &Rig, kind: &Kind, size: usize) -> Round {
    let ground = Ground::open_alone().await.unwrap();
    configure(&ground, kind, size, 0);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    warm_up(&ground).await;
    if kind.course == Course::Standby {
        reload(&ground, &larm, kind, size, size);
        larm.until_there_are(&ground, size, Phase::Standby).await;
    }
    come_to_rest(&larm).await;
    let round = if kind.course == Course::NoJob {
        fill(rig, &ground, &larm, kind, size).await
    } else {
        measure(rig, &ground, &larm, size).await
    };
    reload(&ground, &larm, kind, size, 0);
    no_runner_is_left(&ground).await;
    larm.stop();
    delete_seeds(&ground).await;
    round
}

pub(crate) fn configure(ground: &Ground, kind: &Kind, most: usize, standbys: usize) {
    let image = kind.image.as_ref().map(|alias| format!("image = '{alias}'\n")).unwrap_or_default();
    ground.configure(
        "30s",
        &format!(
            "[[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\nmax = {most}\n\
             memory = '384MiB'\nstandby = {standbys}\nidle_timeout = '1s'\n{image}"
        ),
    );
    let parallel = number("LARM_BENCH_PARALLEL", 4);
    let limits = format!("creates = {parallel}\nstarts = {parallel}\ndeletes = {parallel}\n");
    let changes = [
        // As a user has it: the tests sweep often.
        ("sweep = '5s'\n", ""),
        ("creation = 'image'", &*format!("creation = '{}'", kind.creation)),
        ("creates = 4\nstarts = 4\ndeletes = 4\n", &limits),
        ("per_minute = 1000", "per_minute = 100000"),
    ];
    change(ground, &changes);
}

pub(crate) fn reload(ground: &Ground, larm: &Larm, kind: &Kind, most: usize, standbys: usize) {
    configure(ground, kind, most, standbys);
    let output = larm.run(&["reload"]);
    assert!(output.status.success(), "{output:?}");
}

/// Neither the daemon nor the machine has anything to do.
pub(crate) async fn come_to_rest(larm: &Larm) {
    settle(larm, QUIET).await;
    machine::quiet().await;
}

/// One job that is not measured: what the daemon and LXD do once is done then.
pub(crate) async fn warm_up(ground: &Ground) {
    ground.queue("acme/web", &["small"], Duration::ZERO);
    ground.all_finished().await;
    no_runner_is_left(ground).await;
}

/// Makes standbys and removes them.
async fn fill(rig: &Rig, ground: &Ground, larm: &Larm, kind: &Kind, size: usize) -> Round {
    let meter = Meter::begin(rig, Some(Process::of_daemon(&ground.path("state"))));
    let begin = meter.began();
    reload(ground, larm, kind, size, size);
    larm.until_there_are(ground, size, Phase::Standby).await;
    let names: Vec<String> =
        larm.live().await.iter().map(|runner| runner.name.to_string()).collect();
    let mut guests = guest_times(larm).await;
    let end = now();
    reload(ground, larm, kind, size, 0);
    rig.watch.until(&names, "instance-deleted").await;
    let lives = names.iter().map(|name| {
        let times = Times::from([("finished", end)]);
        let times = guests.remove(name).into_iter().flatten().chain(times).collect();
        let mut life = life(rig, name, begin, &times);
        life.retain(|(stage, _)| *stage != "finished");
        life
    });
    Round { cost: meter.end(), lives: lives.collect() }
}

async fn measure(rig: &Rig, ground: &Ground, larm: &Larm, size: usize) -> Round {
    let mut events = ground.github.events();
    let meter = Meter::begin(rig, Some(Process::of_daemon(&ground.path("state"))));
    let jobs: Vec<u64> =
        (0..size).map(|_| ground.queue("acme/web", &["small"], Duration::ZERO)).collect();
    let mut times = follow(&mut events, &jobs).await;
    let mut runners = ground.runners_of_jobs();
    runners.retain(|job, _| jobs.contains(job));
    let names: Vec<String> = runners.values().cloned().collect();
    rig.watch.until(&names, "instance-deleted").await;
    let (cost, begin) = (meter.end(), meter.began());
    let guests = guest_times(larm).await;
    let lives = runners.iter().map(|(job, name)| {
        let mut times = times.remove(job).unwrap_or_default();
        times.extend(guests.get(name).into_iter().flatten().map(|(what, at)| (*what, *at)));
        life(rig, name, begin, &times)
    });
    Round { lives: lives.collect(), cost }
}

/// When each job was picked and had ended, by the stand-in GitHub's clock.
async fn follow(events: &mut Receiver<Event>, jobs: &[u64]) -> BTreeMap<u64, Times> {
    let mut times: BTreeMap<u64, Times> = BTreeMap::new();
    let mut left = jobs.len();
    let hears = async {
        while left > 0 {
            let event = events.recv().await.unwrap();
            let Some(job) = event.job.filter(|job| jobs.contains(job)) else { continue };
            let at = event.at.as_duration().as_secs_f64();
            let mut note = |what| times.entry(job).or_default().insert(what, at);
            match event.kind {
                EventKind::JobAssigned => drop(note("picked")),
                EventKind::JobFinished => {
                    note("finished");
                    left -= 1;
                }
                EventKind::JobQueued
                | EventKind::JobStarted
                | EventKind::JobReturned
                | EventKind::RunnerRegistered
                | EventKind::RunnerOnline
                | EventKind::RunnerRemoved => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, hears).await.unwrap();
    times
}

/// When each guest was ready and its listener listened, by its own status file.
pub(crate) async fn guest_times(larm: &Larm) -> BTreeMap<String, Times> {
    let mut all: BTreeMap<String, Times> = BTreeMap::new();
    for entry in larm.journal().await {
        let JournalKind::Phase { phase, guest_at: Some(at), .. } = entry.what else { continue };
        let what = match phase {
            Phase::Standby => "ready",
            Phase::Listening => "listening",
            Phase::Planned
            | Phase::Creating
            | Phase::Booting
            | Phase::Busy
            | Phase::Finished
            | Phase::Failed
            | Phase::Deleting
            | Phase::Gone => continue,
        };
        let Some(name) = entry.runner else { continue };
        let times = all.entry(name.to_string()).or_default();
        times.insert(what, at.as_duration().as_secs_f64());
    }
    all
}

/// Only what happened after the job was queued belongs to it.
fn life(rig: &Rig, name: &str, begin: f64, times: &Times) -> Life {
    let at = |what: &str| times.get(what).copied();
    let stages = [
        ("created", rig.watch.at(name, "instance-created")),
        ("started", rig.watch.at(name, "instance-started")),
        ("ready", at("ready")),
        ("listening", at("listening")),
        ("picked", at("picked")),
        ("finished", at("finished")),
    ];
    let own = stages.into_iter().filter_map(|(stage, at)| Some((stage, at? - begin)));
    let mut life: Life = own
        .filter(|(_, length)| *length >= 0.0)
        .map(|(stage, length)| (stage, length * 1000.0))
        .collect();
    if let (Some(gone), Some(end)) = (rig.watch.at(name, "instance-deleted"), at("finished")) {
        life.push(("end to gone", (gone - end) * 1000.0));
    }
    life
}
