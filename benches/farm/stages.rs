//! From the webhook of a queued job to the runner that has it: cold, from a standby, with an idle
//! runner.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use larm::model::{JournalKind, Phase};
use larm::smoke::standin::{Event, EventKind};
use tokio::sync::broadcast::Receiver;

use crate::events::Watch;
use crate::ground::Ground;
use crate::larm::Larm;

/// A kind of start: its name, what its pool keeps, and the phase of a runner that is waited for
/// before each job.
const KINDS: [(&str, &str, Option<Phase>); 3] = [
    ("cold", "", None),
    ("standby", "standby = 1", Some(Phase::Standby)),
    ("idle", "min_idle = 1", Some(Phase::Listening)),
];

/// The stages of a job, by name, in milliseconds for each round.
type Figures = Vec<(&'static str, Vec<f64>)>;

pub(crate) async fn measure() {
    let rounds = std::env::var("LARM_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    for (name, keeps, ready) in KINDS {
        let Some(ground) = Ground::open_alone().await else { return };
        let figures = play(&ground, keeps, ready, rounds.unwrap_or(10)).await;
        print(name, &figures);
    }
}

async fn play(ground: &Ground, keeps: &str, ready: Option<Phase>, rounds: usize) -> Figures {
    let pool = format!(
        "[[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\nmax = 4\n\
         idle_timeout = '1s'\n{keeps}\n"
    );
    ground.configure("30s", &pool);
    ground.add_hook();
    let larm = Larm::start(ground).await;
    let watch = Watch::begin(&ground.path("state"));
    let mut figures = Figures::new();
    for _ in 0..rounds {
        match ready {
            Some(phase) => larm.until_there_are(ground, 1, phase).await,
            None => ground.nothing_is_left().await,
        }
        for (stage, length) in round(ground, &larm).await {
            match figures.iter_mut().find(|(name, _)| *name == stage) {
                Some((_, all)) => all.push(length),
                None => figures.push((stage, vec![length])),
            }
        }
    }
    larm.stop();
    figures.extend(watch.end());
    figures
}

async fn round(ground: &Ground, larm: &Larm) -> Vec<(&'static str, f64)> {
    let mut events = ground.github.events();
    let job = ground.queue("acme/web", &["small"], Duration::ZERO);
    let seen = follow(&mut events, job).await;
    let name = ground.runners_of_jobs().remove(&job).unwrap();
    ground.until("it is gone", async || !ground.instances().await.contains(&name)).await;
    let mut phases = BTreeMap::new();
    for entry in larm.journal().await {
        if let (true, JournalKind::Phase { phase, .. }) =
            (entry.runner.is_some_and(|runner| runner.to_string() == name), entry.what)
        {
            phases.insert(phase, entry.at);
        }
    }
    stages(&seen, &phases)
}

/// When each thing happened to the job and its runner, by the stand-in GitHub's clock.
async fn follow(events: &mut Receiver<Event>, job: u64) -> BTreeMap<&'static str, Timestamp> {
    let mut seen = BTreeMap::new();
    loop {
        let event = events.recv().await.unwrap();
        let mine = event.job == Some(job);
        match event.kind {
            EventKind::JobQueued if mine => drop(seen.insert("queued", event.at)),
            EventKind::RunnerRegistered => drop(seen.insert("registered", event.at)),
            EventKind::RunnerOnline => drop(seen.insert("online", event.at)),
            EventKind::JobAssigned if mine => drop(seen.insert("picked", event.at)),
            EventKind::JobStarted if mine => drop(seen.insert("started", event.at)),
            EventKind::JobFinished if mine => {
                seen.insert("finished", event.at);
                return seen;
            }
            EventKind::JobQueued
            | EventKind::JobAssigned
            | EventKind::JobStarted
            | EventKind::JobFinished
            | EventKind::JobReturned
            | EventKind::RunnerRemoved => {}
        }
    }
}

/// Only what happened after the job was queued belongs to it.
fn stages(
    seen: &BTreeMap<&'static str, Timestamp>,
    phases: &BTreeMap<Phase, Timestamp>,
) -> Vec<(&'static str, f64)> {
    let queued = seen.get("queued").copied().unwrap();
    let at = |what: &str| seen.get(what).copied().filter(|at| *at >= queued);
    let in_phase = |phase| phases.get(&phase).copied().filter(|at| *at >= queued);
    let gone = phases.get(&Phase::Gone).copied();
    let spans = [
        ("queued -> recorded", Some(queued), in_phase(Phase::Planned)),
        ("queued -> ordered from LXD", Some(queued), in_phase(Phase::Creating)),
        ("ordered -> runs (LXD)", in_phase(Phase::Creating), in_phase(Phase::Booting)),
        ("runs -> ready (guest)", in_phase(Phase::Booting), in_phase(Phase::Standby)),
        ("ready -> registered", in_phase(Phase::Standby), at("registered")),
        ("queued -> registered", Some(queued), at("registered")),
        ("registered -> online (guest)", at("registered"), at("online")),
        ("online -> picked (GitHub)", at("online"), at("picked")),
        ("queued -> picked", Some(queued), at("picked")),
        ("finished -> gone", at("finished"), gone),
    ];
    let length = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64() * 1000.0;
    spans.into_iter().filter_map(|(name, from, to)| Some((name, length(from?, to?)))).collect()
}

fn print(kind: &str, figures: &Figures) {
    println!("{kind:<32} {:>9} {:>9} {:>9} {:>9}  (ms)", "min", "p50", "p95", "max");
    for (stage, lengths) in figures {
        let mut sorted = lengths.clone();
        sorted.sort_by(f64::total_cmp);
        let of = |part: usize| {
            let place = (sorted.len() - 1) * part / 100;
            sorted.get(place).copied().unwrap_or_default()
        };
        println!("  {stage:<30} {:>9.1} {:>9.1} {:>9.1} {:>9.1}", of(0), of(50), of(95), of(100));
    }
    println!();
}
