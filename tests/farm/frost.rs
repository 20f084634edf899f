//! Pools that keep a part of their standbys frozen.

use std::time::Duration;

use larm::lxd::StatusCode;
use larm::model::{Frost, Phase};

use crate::ground::Ground;
use crate::larm::Larm;

const POOL: &str = "
[[pool]]
name = 'web'
github = 'acme/web'
labels = ['small']
standby = 3
frozen = 2
max = 4
idle_timeout = '2s'
";

/// The daemon is killed while it freezes, and while it thaws for jobs: each of these runs once, and in
/// the end there are as many of each kind as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_standbys_serve_though_the_daemon_is_killed() {
    let Some(ground) = Ground::open().await else { return };
    ground.configure("2s", POOL);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    let freezes = async || larm.live().await.iter().any(|one| one.frost == Frost::Wanted);
    ground.until("one is being frozen", freezes).await;
    larm.kill();
    let larm = Larm::start(&ground).await;
    all_wait(&ground, &larm).await;
    let live = larm.live().await;
    let frozen = live.iter().find(|one| one.frost == Frost::Frozen).unwrap();
    let why = larm.run(&["why", &frozen.name.to_string()]);
    let said = String::from_utf8(why.stdout).unwrap();
    assert!(said.contains("standby and frozen for "), "{said}");

    for _ in 0..3 {
        ground.queue("acme/web", &["small"], Duration::from_secs(1));
    }
    let thaws = async || larm.live().await.iter().all(|one| one.frost != Frost::Frozen);
    ground.until("both are thawed, or being thawed", thaws).await;
    larm.kill();
    let larm = Larm::start(&ground).await;
    ground.all_finished().await;
    ground.expect_jobs_ran_once();
    all_wait(&ground, &larm).await;
    larm.stop();
}

/// One is warm and two are frozen, as LXD says too.
async fn all_wait(ground: &Ground, larm: &Larm) {
    ground
        .until("one is warm and two are frozen", async || {
            let live = larm.live().await;
            let is = |frost| live.iter().filter(|one| one.frost == frost).count();
            live.iter().all(|one| one.phase == Phase::Standby)
                && (is(Frost::None), is(Frost::Frozen), live.len()) == (1, 2, 3)
        })
        .await;
    let names = ground.instances().await;
    let instances = ground.client.instances().await.unwrap().into_iter();
    let frozen = instances
        .filter(|one| names.contains(&one.name) && one.status_code == StatusCode::FROZEN)
        .count();
    assert_eq!(frozen, 2);
}
