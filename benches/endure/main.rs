//! What the daemon takes over time, on a real LXD with the stand-in GitHub: at rest with standbys,
//! and over very many jobs. `scripts/bench-idle` and `scripts/soak` run it. It ends with 1 if the
//! daemon takes more than it may.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LARM_BENCH_WHAT` | `idle` or `soak` | |
//! | `LARM_BENCH_STANDBYS` | standbys at rest, or during the soak | 30, or 6 |
//! | `LARM_BENCH_SECONDS` | how long the rest is watched | 60 |
//! | `LARM_BENCH_JOBS` | jobs of the soak | 1000 |
//! | `LARM_BENCH_MAX` | runners that there may be at once during the soak | 12 |
//! | `LARM_BENCH_CREATION` | `[host] creation` | `auto` |

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails says where")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints figures")]

#[path = "../../tests/support/daemon.rs"]
pub mod daemon;
#[expect(dead_code, reason = "shared with the tests of the farm")]
#[path = "../../tests/farm/ground.rs"]
mod ground;
#[path = "../../tests/support/host.rs"]
pub mod host;
mod idle;
#[expect(dead_code, reason = "shared with the tests of the farm")]
#[path = "../../tests/farm/larm.rs"]
mod larm;
#[path = "../../tests/support/leftovers.rs"]
pub mod leftovers;
#[path = "../shared/process.rs"]
pub mod process;
#[path = "../shared/setting.rs"]
mod setting;
mod soak;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test` and `cargo clippy` ask benches for their tests, of which this has none.
    if std::env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    // Broken off, what was begun is dropped, and with it the daemon and all instances.
    let good = tokio::select! {
        good = Box::pin(run()) => good,
        _ = tokio::signal::ctrl_c() => false,
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run() -> bool {
    match host::variable("LARM_BENCH_WHAT", "").as_str() {
        "idle" => idle::measure().await,
        "soak" => soak::measure().await,
        other => panic!("LARM_BENCH_WHAT is \"{other}\": set it to idle or soak"),
    }
}

/// A number out of the environment.
fn number(name: &str, default: u32) -> u32 {
    let text = host::variable(name, "");
    if text.is_empty() { default } else { text.parse().unwrap() }
}

/// How instances are made: as a user has it, if nothing else is said.
fn creation() -> String {
    format!("creation = '{}'", host::variable("LARM_BENCH_CREATION", "auto"))
}
