//! LXD ends under the daemon and under its runners, and starts again: while it makes an instance,
//! while it starts one, while a job runs.

use std::time::Duration;

use larm::lxd::Event;
use larm::model::Phase;
use rustix::process::Signal;

use crate::ground::Ground;
use crate::host;
use crate::own_lxd::OwnLxd;
use crate::process::Larm;

/// Long enough to outlast the start of an LXD.
const JOB: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lxd_is_told_to_end() {
    outages(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lxd_is_killed() {
    outages(Signal::KILL).await;
}

async fn outages(signal: Signal) {
    let Some(lxd) = OwnLxd::start().await else { return };
    let ground = Ground::on(lxd.client.clone()).await;
    let larm = Larm::start(&ground).await;
    until_unpacked(&lxd).await;
    for work in ["Creating instance", "Starting instance"] {
        ended_in(work, signal, &lxd, &ground, &larm).await;
    }
    ended_in_a_job(signal, &lxd, &ground, &larm).await;
    larm.end(&ground).await;
}

/// The daemon has the image unpacked in an instance that it makes for that and deletes; the outage is
/// to hit a runner's.
async fn until_unpacked(lxd: &OwnLxd) {
    let client = &lxd.client;
    let image = client.image_by_alias(&host::image()).await.unwrap().unwrap();
    let pool = client.storage_pool("crash").await.unwrap().unwrap();
    let looks = async {
        while (pool.driver != "dir"
            && !client.has_unpacked("crash", &image.fingerprint).await.unwrap())
            || !client.instances().await.unwrap().is_empty()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), looks).await.unwrap();
}

/// The order is carried out by the next LXD; where that finds only half an instance, it is undone.
async fn ended_in(work: &str, signal: Signal, lxd: &OwnLxd, ground: &Ground, larm: &Larm) {
    ground.queue_job(work, JOB);
    let begun = ground.next(
        |event| matches!(event, Event::Operation(operation) if operation.description == work),
    );
    let (id, ()) = tokio::join!(larm.begin(Some(ground.credential(work))), begun);
    lxd.restart(signal, || {}).await;
    let life = larm.life(&id).await;
    if life.phases.contains(&Phase::Listening) {
        life.expect_a_good_job();
        ground.expect_job_ran(work);
    } else {
        life.expect_undone();
        assert_eq!(ground.job(work).runs, 0);
    }
}

/// A job that runs goes on, and a runner that listens gets one while there is no LXD.
async fn ended_in_a_job(signal: Signal, lxd: &OwnLxd, ground: &Ground, larm: &Larm) {
    let idle = larm.create(Some(ground.credential("idle"))).await;
    larm.until(&idle, Phase::Listening).await;
    ground.queue_job("busy", JOB);
    let busy = larm.create(Some(ground.credential("busy"))).await;
    larm.until(&busy, Phase::Busy).await;
    lxd.restart(signal, || ground.queue_job("idle", JOB)).await;
    for (id, label) in [(&busy, "busy"), (&idle, "idle")] {
        larm.life(id).await.expect_a_good_job();
        ground.expect_job_ran(label);
    }
}
