//! Very many jobs through one daemon: nothing may be left, and nothing may grow.

use std::time::Duration;

use larm::model::Phase;
use larm::smoke::standin::JobState;
use tokio::time::Instant;

use crate::ground::Ground;
use crate::larm::Larm;
use crate::process::Process;
use crate::setting::{change, delete_seeds, requests, runners};
use crate::{creation, number};

/// How much the memory may grow from the first hundred jobs to the end.
const GROWTH: f64 = 1.1;
/// Connections of the pools of clients that may come and go.
const FILES: usize = 4;
/// Without a job that ends for so long, the farm counts as stuck.
const STUCK: Duration = Duration::from_mins(5);

/// What the daemon takes at one time.
#[derive(Debug, Clone, Copy)]
struct Load {
    memory: f64,
    files: usize,
}

impl Load {
    fn of(process: Process) -> Self {
        Self { memory: process.mebibytes(), files: process.open_files() }
    }
}

pub(crate) async fn measure() -> bool {
    let jobs = number("LARM_BENCH_JOBS", 1000);
    let (most, standbys) = (number("LARM_BENCH_MAX", 12), number("LARM_BENCH_STANDBYS", 6));
    let Some(ground) = Ground::open_alone().await else { return false };
    configure(&ground, most, standbys);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    let standbys_ready = async || {
        larm.until_there_are(&ground, usize::try_from(standbys).unwrap(), Phase::Standby).await;
    };
    standbys_ready().await;
    println!("{jobs} jobs of 0 s, {most} runners at most, {standbys} standbys");
    let Some(early) = run(&ground, jobs).await else { return false };
    standbys_ready().await;
    let late = Load::of(Process::of_daemon(&ground.path("state")));
    configure(&ground, most, 0);
    assert!(larm.run(&["reload"]).status.success(), "the reload failed");
    let good = verdict(&ground, &larm, early, late).await;
    larm.stop();
    delete_seeds(&ground).await;
    good
}

fn configure(ground: &Ground, most: u32, standbys: u32) {
    ground.configure(
        "30s",
        &format!(
            "[[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\n\
             max = {most}\nstandby = {standbys}\nidle_timeout = '5s'\nmemory = '512MiB'\n"
        ),
    );
    let many = ("creations_per_minute = 1000", "creations_per_minute = 100000");
    // As a user has it: the tests sweep often.
    let sweep = ("sweep = '5s'\n", "");
    change(ground, &[("creation = 'image'", &creation()), many, sweep]);
}

/// Queues all jobs and waits for their ends; what the daemon took at the first line.
async fn run(ground: &Ground, jobs: u32) -> Option<Load> {
    let begin = Instant::now();
    for _ in 0..jobs {
        ground.queue("acme/web", &["small"], Duration::ZERO);
    }
    let (mut early, mut progress, lines) = (None, begin, (jobs / 10).clamp(1, 100));
    let (mut ended, mut told) = (0, 0);
    while ended < jobs {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = ended_jobs(ground);
        if now > ended {
            (ended, progress) = (now, Instant::now());
        } else if progress.elapsed() > STUCK {
            println!("bad: no job has ended for {} s, {ended} have", STUCK.as_secs());
            return None;
        }
        if ended / lines > told || ended == jobs {
            told = ended / lines;
            let load = tell(ground, ended, begin).await;
            early.get_or_insert(load);
        }
    }
    early
}

fn ended_jobs(ground: &Ground) -> u32 {
    let jobs = ground.github.jobs();
    u32::try_from(jobs.iter().filter(|job| job.state.is_final()).count()).unwrap()
}

async fn tell(ground: &Ground, ended: u32, begin: Instant) -> Load {
    let (load, seconds) =
        (Load::of(Process::of_daemon(&ground.path("state"))), begin.elapsed().as_secs_f64());
    println!(
        "{ended:>6} jobs {seconds:>7.0} s {:>6.1} jobs/min {:>6.1} MiB {:>4} files {:>3} instances",
        f64::from(ended) * 60.0 / seconds,
        load.memory,
        load.files,
        runners(ground).await.len(),
    );
    load
}

/// Whether all jobs ran once, nothing is left and nothing has grown.
async fn verdict(ground: &Ground, larm: &Larm, early: Load, late: Load) -> bool {
    let gone = tokio::time::timeout(STUCK, nothing_is_left(ground, larm)).await.is_ok();
    let jobs = ground.github.jobs();
    let odd = jobs.iter().filter(|job| (job.state, job.runs) != (JobState::Succeeded, 1)).count();
    let live = larm.runners().await.iter().filter(|one| one.phase != Phase::Gone).count();
    println!("{} instances were ordered for {} jobs", ordered(larm), jobs.len());
    let checks = [
        (odd == 0, format!("{odd} of {} jobs failed or ran more than once", jobs.len())),
        (gone, format!("instances left: {:?}", runners(ground).await)),
        (live == 0, format!("records that are not gone: {live}")),
        (late.files <= early.files + FILES, format!("files {} -> {}", early.files, late.files)),
        (
            late.memory <= early.memory * GROWTH,
            format!("memory {:.1} -> {:.1} MiB", early.memory, late.memory),
        ),
    ];
    for (good, text) in &checks {
        println!("{} {text}", if *good { "good:" } else { "BAD: " });
    }
    checks.iter().all(|(good, _)| *good)
}

/// How many instances it has ordered: one for each job, and the standbys of the end.
fn ordered(larm: &Larm) -> u64 {
    let counts = requests(larm);
    counts.iter().find(|(what, _)| what == "create-instance").map_or(0, |(_, count)| *count)
}

async fn nothing_is_left(ground: &Ground, larm: &Larm) {
    let waits = async || larm.runners().await.iter().any(|one| one.phase != Phase::Gone);
    while !runners(ground).await.is_empty() || waits().await {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
