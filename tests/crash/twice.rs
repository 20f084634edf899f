//! A second daemon on the same state; and a daemon whose store has vanished.

use std::time::Duration;

use larm::model::Phase;

use crate::daemon::command;
use crate::ground::Ground;
use crate::process::Larm;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_one_is_refused_and_the_first_goes_on() {
    let Some(ground) = Ground::open().await else { return };
    let larm = Larm::start(&ground).await;
    let id = larm.create(None).await;
    let mut second = command(ground.directory.path(), &["serve"]);
    let refused = second.arg("--control-socket").arg(ground.path("other.sock")).output().unwrap();
    let words = String::from_utf8(refused.stderr).unwrap();
    // As `larm --help` has it: 1 is a failure.
    assert_eq!(refused.status.code(), Some(1), "{words}");
    let running = format!("(pid {})", larm.pid());
    assert!(words.contains("already running") && words.contains(&running), "{words}");
    larm.until(&id, Phase::Standby).await;
    larm.begin_removal(&id).await;
    larm.end(&ground).await;
}

/// Runners whose records are lost are found in LXD again by their keys, and go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_is_rebuilt() {
    let Some(ground) = Ground::open().await else { return };
    let larm = Larm::start(&ground).await;
    let standby = larm.create(None).await;
    ground.queue_job("one", Duration::from_secs(3));
    let busy = larm.create(Some(ground.credential("one"))).await;
    larm.until(&standby, Phase::Standby).await;
    larm.until(&busy, Phase::Busy).await;
    larm.kill();
    std::fs::remove_dir_all(ground.path("state")).unwrap();
    let larm = Larm::start(&ground).await;
    larm.life(&busy).await.expect_a_good_job();
    ground.expect_job_ran("one");
    larm.until(&standby, Phase::Standby).await;
    larm.begin_removal(&standby).await;
    larm.end(&ground).await;
}
