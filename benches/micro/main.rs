//! Single steps of larm under large numbers, with criterion: `cargo bench --bench micro [FILTER]`.
//! Nothing of it needs LXD.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails says where")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the shared ground tells of trouble"
)]

mod control;
#[path = "../../tests/support/daemon.rs"]
pub mod daemon;
mod decisions;
mod events;
#[expect(dead_code, reason = "shared with the tests of the farm")]
#[path = "../../tests/farm/ground.rs"]
mod ground;
mod guest;
#[path = "../../tests/support/host.rs"]
pub mod host;
#[expect(dead_code, reason = "shared with the tests of the farm")]
#[path = "../../tests/farm/larm.rs"]
mod larm;
#[path = "../../tests/support/leftovers.rs"]
pub mod leftovers;
mod scene;
#[expect(dead_code, reason = "shared with other benchmarks")]
#[path = "../shared/setting.rs"]
mod setting;
mod stores;
#[path = "../../tests/support/mod.rs"]
pub mod support;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    // `cargo test` and `cargo clippy` ask benches for their tests, of which this has none.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let measures = Duration::from_secs(5);
    let mut criterion =
        Criterion::default().without_plots().measurement_time(measures).configure_from_args();
    decisions::measure(&mut criterion);
    guest::measure(&mut criterion);
    events::measure(&mut criterion);
    stores::measure(&mut criterion);
    control::measure(&mut criterion);
    criterion.final_summary();
}
