//! What the farm takes from a queued job to a runner that has it, stage by stage, on a real LXD
//! with the stand-in GitHub; and what the daemon weighs. `scripts/bench-farm` runs it.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LARM_BENCH_ROUNDS` | jobs of each kind of start | 10 |

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails says where")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints figures")]

#[path = "../../tests/support/daemon.rs"]
pub mod daemon;
mod events;
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
mod stages;
#[path = "../../tests/support/mod.rs"]
pub mod support;
mod weight;

#[tokio::main]
async fn main() {
    // `cargo test` and `cargo clippy` ask benches for their tests, of which this has none.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    stages::measure().await;
    weight::measure().await;
}
