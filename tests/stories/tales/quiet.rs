//! Nothing happens, and nothing is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use larm::manager::CloudRunnerManager;
use larm::model::Phase;

use crate::stage::{Lxd, PATIENCE, Place, Stage};

const IDLE: usize = 20;

/// Idle runners cost LXD nothing between sweeps, and a sweep costs a list and a probe each.
pub async fn idle_runners_cost_no_request(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("only the stand-in tells what it is asked") };
    let ids = join_all((0..IDLE).map(|_| stage.idle_runner())).await;
    join_all(ids.iter().map(|id| stage.reaches(id, Phase::Listening))).await;
    // The first sweep and the last watches may still be at it.
    let settled = async {
        loop {
            lxd.clear_requests();
            tokio::time::sleep(Duration::from_millis(500)).await;
            if lxd.requests().is_empty() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("it becomes quiet");
    // That nothing happens can only be seen by waiting.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked: Vec<_> = lxd.requests().into_iter().map(|one| (one.method, one.path)).collect();
    assert_eq!(asked, [], "nobody asked for anything");
    assert_eq!(stage.manager().cleanup(None).await.unwrap(), [], "all of them are well");
    let mut costs = BTreeMap::<String, usize>::new();
    for request in lxd.requests() {
        let path = request.path.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let what = match last {
            "instances" => "list",
            "exec" => "probe",
            _ if path.starts_with("/1.0/operations/") => "look",
            _ if path.contains("/logs/") => "output",
            _ => path,
        };
        *costs.entry(format!("{} {what}", request.method)).or_default() += 1;
    }
    println!("{place:?}: a sweep over {IDLE} runners: {costs:?}");
    assert_eq!(costs.remove("GET list"), Some(1));
    assert_eq!(costs.remove("POST probe"), Some(IDLE));
    // Its standard output is read, and what LXD recorded of both streams is deleted.
    assert_eq!(costs.remove("GET output"), Some(IDLE));
    assert_eq!(costs.remove("DELETE output"), Some(2 * IDLE));
    assert_eq!(costs, BTreeMap::new(), "and nothing else");
    assert_eq!(stage.manager().flush_runners(None, false).await.unwrap().len(), IDLE);
    stage.strike().await;
}
