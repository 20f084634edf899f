//! larm against the bare minimum and against LXD's own tools, in one run on one real LXD,
//! alternating round by round. `scripts/bench` runs it.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LARM_BENCH_SIZES` | how many instances at once, one after the other | `1,10,30` |
//! | `LARM_BENCH_ROUNDS` | rounds of each contender at each size | 3 |
//! | `LARM_BENCH_PARALLEL` | how many are created, started or deleted at a time, by every contender | 4 |
//! | `LARM_BENCH_CREATION` | `[host] creation` of larm | `image` |
//! | `LARM_BENCH_BAKED` | alias of a baked image | |
//! | `LARM_BENCH_CONTENDERS` | their names in the table, with commas | all |
//! | `LARM_BENCH_OUT` | the directory of `compare.json` and `compare.svg` | `target/bench` |
//!
//! All times are one machine's clock. That an instance was created, started and is gone is told by
//! LXD's events, and when it was ready by its guest's own status file: alike for all contenders.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails says where")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints figures")]

mod bare;
mod boot;
#[path = "../../tests/support/daemon.rs"]
pub mod daemon;
mod farm;
mod figures;
#[expect(dead_code, reason = "shared with the tests of the farm")]
#[path = "../../tests/farm/ground.rs"]
mod ground;
#[path = "../../tests/support/host.rs"]
pub mod host;
#[expect(dead_code, reason = "shared with the tests of the farm")]
#[path = "../../tests/farm/larm.rs"]
mod larm;
#[path = "../../tests/support/leftovers.rs"]
pub mod leftovers;
mod machine;
mod meter;
mod plot;
#[path = "../shared/process.rs"]
pub mod process;
mod report;
mod rest;
mod rig;
#[path = "../shared/setting.rs"]
mod setting;
mod tools;
mod turnaround;
mod watch;

use std::process::ExitCode;

use figures::Figures;
use rig::Rig;

/// The same instance by requests and nothing else.
const BARE: &str = "bare REST calls";
const LXC: &str = "lxc";
const BENCHMARK: &str = "lxd-benchmark";

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test` and `cargo clippy` ask benches for their tests, of which this has none.
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    // Broken off, what was begun is dropped, and with it the daemon and all instances.
    let done = tokio::select! {
        done = Box::pin(run()) => done,
        _ = tokio::signal::ctrl_c() => false,
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run() -> bool {
    if !all_are_known() {
        return false;
    }
    let Some(rig) = Rig::new().await else { return false };
    let machine = machine::Machine::here(&rig).await;
    let (sizes, rounds) = (numbers("LARM_BENCH_SIZES", "1,10,30"), number("LARM_BENCH_ROUNDS", 3));
    let mut figures = Figures::default();
    for size in sizes {
        for round in 1..=rounds {
            eprintln!("{size} at once, round {round} of {rounds}");
            for kind in farm::kinds().iter().filter(|kind| wanted(kind.name)) {
                figures.add(kind.name, size, farm::round(&rig, kind, size).await);
            }
            if wanted(BARE) {
                let maker = bare::Maker::new(&rig);
                figures.add(BARE, size, bare::round(&rig, size, &maker).await);
            }
            if wanted(LXC) && tools::there(LXC) {
                figures.add(LXC, size, bare::round(&rig, size, &tools::Lxc::new(&rig)).await);
            }
            if wanted(BENCHMARK) && tools::there(BENCHMARK) {
                figures.add(BENCHMARK, size, tools::benchmark(&rig, size).await);
            }
            // What was measured so far is there, if a later round fails.
            report::save(&machine, &figures, None);
        }
    }
    turnaround::measure(&rig, rounds, &mut figures).await;
    report::save(&machine, &figures, None);
    let boot = boot::measure(&rig, rounds).await;
    report::save(&machine, &figures, Some(boot));
    report::print(&machine, &figures, boot);
    true
}

/// Whether this contender takes part.
fn wanted(contender: &str) -> bool {
    let all = chosen();
    all.is_empty() || all.iter().any(|one| one == contender)
}

/// Those that were named, if any were.
fn chosen() -> Vec<String> {
    let names = host::variable("LARM_BENCH_CONTENDERS", "");
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// A name that no contender has would measure nothing, an hour long.
fn all_are_known() -> bool {
    let kinds = farm::kinds();
    let known: Vec<_> = kinds.iter().map(|kind| kind.name).chain([BARE, LXC, BENCHMARK]).collect();
    let unknown = chosen().into_iter().find(|name| !known.contains(&name.as_str()));
    if let Some(name) = &unknown {
        eprintln!("LARM_BENCH_CONTENDERS: there is no \"{name}\"; there are {}", known.join(", "));
    }
    unknown.is_none()
}

fn number(name: &str, default: usize) -> usize {
    host::variable(name, &default.to_string()).parse().unwrap()
}

fn numbers(name: &str, default: &str) -> Vec<usize> {
    host::variable(name, default).split(',').map(|text| text.trim().parse().unwrap()).collect()
}
