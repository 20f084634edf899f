//! The daemon at rest with standbys: its CPU time, and what it asks LXD meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use larm::model::Phase;
use tokio::time::Instant;

use crate::ground::Ground;
use crate::larm::Larm;
use crate::process::Process;
use crate::setting::{change, delete_seeds, no_runner_is_left, requests, settle};
use crate::{creation, number};

/// The share of one core that the daemon may take.
const MOST: f64 = 0.001;
/// So long nothing was made when the rest begins.
const SETTLE: Duration = Duration::from_secs(30);

/// Requests to LXD so far, by kind.
type Requests = BTreeMap<String, u64>;

pub(crate) async fn measure() -> bool {
    let (standbys, seconds) = (number("LARM_BENCH_STANDBYS", 30), number("LARM_BENCH_SECONDS", 60));
    let Some(ground) = Ground::open_alone().await else { return false };
    configure(&ground, standbys);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    let count = usize::try_from(standbys).unwrap();
    larm.until_there_are(&ground, count, Phase::Standby).await;
    settle(&larm, SETTLE).await;
    let good = watch(&ground, &larm, seconds).await;
    configure(&ground, 0);
    assert!(larm.run(&["reload"]).status.success(), "the reload failed");
    no_runner_is_left(&ground).await;
    larm.stop();
    delete_seeds(&ground).await;
    good
}

fn configure(ground: &Ground, standbys: u32) {
    let pool = format!(
        "[[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\n\
         max = 1000\nstandby = {standbys}\nidle_timeout = '5s'\nmemory = '512MiB'\n"
    );
    ground.configure("30s", &pool);
    // As a user has it: the tests sweep often.
    change(ground, &[("sweep = '5s'\n", ""), ("creation = 'image'", &creation())]);
}

async fn watch(ground: &Ground, larm: &Larm, seconds: u32) -> bool {
    let process = Process::of_daemon(&ground.path("state"));
    let before: Requests = requests(larm).into_iter().collect();
    // After the metrics were asked for: answering them is no rest.
    let (begin, cpu) = (Instant::now(), process.cpu_seconds());
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    let (took, cpu) = (begin.elapsed().as_secs_f64(), process.cpu_seconds() - cpu);
    let made = made(&before, &requests(larm).into_iter().collect());
    let share = cpu / took;
    println!("{:.0} s at rest: {cpu:.2} s of CPU, {:.3} % of a core", took, share * 100.0);
    println!("memory {:.1} MiB, {} open files", process.mebibytes(), process.open_files());
    for (what, count) in &made {
        let by = if is_sweeps(what) { "the sweep" } else { "NOT the sweep" };
        println!("  {count:>6} {what} ({by})");
    }
    let quiet = made.keys().all(|what| is_sweeps(what));
    let good = share < MOST && quiet;
    println!("{}", if good { "good: it rests" } else { "bad: it does not rest" });
    good
}

/// What the sweep asks: all instances, and each guest how it is. At its pace of once a minute the
/// pools' images are looked up, and the room in the storage pools of their profiles. LXD is watched
/// for between by its event stream alone.
fn is_sweeps(what: &str) -> bool {
    let guests = ["list-instances", "exec", "read-log", "delete-log", "wait", "operation"];
    let host = ["images", "profiles", "storage"];
    guests.contains(&what) || host.contains(&what)
}

fn made(before: &Requests, after: &Requests) -> Requests {
    let grown = after
        .iter()
        .map(|(what, count)| (what.clone(), count - before.get(what).copied().unwrap_or_default()));
    grown.filter(|(_, count)| *count > 0).collect()
}
