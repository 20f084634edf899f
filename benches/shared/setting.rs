//! What benchmarks do with the ground of the tests: other settings, and waits that know what a daemon
//! does beside its runners.

use std::time::Duration;

use larm::model::InstanceName;
use serde_json::Value;
use tokio::time::Instant;

use crate::ground::{Ground, PATIENCE};
use crate::larm::Larm;
use crate::leftovers;

/// Replaces settings; each must be there.
pub(crate) fn change(ground: &Ground, changes: &[(&str, &str)]) {
    let file = ground.path("larm.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "there is no \"{from}\" in {text}");
        text = text.replace(from, to);
    }
    std::fs::write(file, text).unwrap();
}

/// Waits until neither LXD nor GitHub has a runner of this farm.
pub(crate) async fn no_runner_is_left(ground: &Ground) {
    ground
        .until("no runner is left", async || {
            runners(ground).await.is_empty() && ground.github.runners().is_empty()
        })
        .await;
}

/// The names of the instances of this farm that are runners: others are there to copy from, or to
/// try out how.
pub(crate) async fn runners(ground: &Ground) -> Vec<String> {
    let mut names = ground.instances().await;
    names.retain(|name| name.parse::<InstanceName>().is_ok());
    names
}

/// Deletes what a daemon that has stopped leaves for the next one.
pub(crate) async fn delete_seeds(ground: &Ground) {
    for name in ground.instances().await {
        leftovers::delete(&ground.client, &name).await;
    }
}

/// Waits until the daemon has made and deleted nothing for so long: it tries out how instances are
/// made best, and makes what they are copied from.
pub(crate) async fn settle(larm: &Larm, quiet: Duration) {
    let looks = async {
        let (mut since, mut before) = (Instant::now(), made(larm));
        while since.elapsed() < quiet {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = made(larm);
            if now != before {
                (since, before) = (Instant::now(), now);
            }
        }
    };
    let rests = tokio::time::timeout(PATIENCE, looks).await;
    assert!(rests.is_ok(), "the daemon makes and deletes instances all the time");
}

/// How many instances it has ordered or deleted so far.
fn made(larm: &Larm) -> u64 {
    let counts = requests(larm).into_iter();
    let changes = counts.filter(|(what, _)| what.ends_with("-instance") && what != "get-instance");
    changes.map(|(_, count)| count).sum()
}

/// The daemon's requests to LXD so far, by kind, as it counts them itself.
pub(crate) fn requests(larm: &Larm) -> Vec<(String, u64)> {
    let output = larm.run(&["metrics", "--json"]);
    let samples: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let count = |sample: &Value| {
        let is = sample.get("name")? == "larm_lxd_request_duration_seconds_count";
        let what = sample.pointer("/labels/what")?.as_str().filter(|_| is)?;
        Some((what.to_owned(), sample.get("value")?.to_string().parse::<f64>().ok()?))
    };
    let counts = samples.iter().filter_map(count);
    counts.map(|(what, count)| (what, whole(count))).collect()
}

/// A count, which Prometheus' format has as a floating-point number.
fn whole(count: f64) -> u64 {
    format!("{count:.0}").parse().unwrap()
}
