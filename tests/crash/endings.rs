//! The daemon ends by `kill -9` in each phase of a runner's life, and starts again.

use std::time::Duration;

use larm::lxd::{Event, ImageSource, NewInstance};
use larm::model::{Phase, RunnerId};

use crate::ground::{Ground, PATIENCE};
use crate::host;
use crate::process::Larm;

const JOB: Duration = Duration::from_secs(2);
/// The one job of most tests, and the label of its runner.
const LABEL: &str = "one";

/// The ground, and a daemon on it; ends the test where real LXD is left out.
macro_rules! ground {
    () => {{
        let Some(ground) = Ground::open().await else { return };
        let larm = Larm::start(&ground).await;
        (ground, larm)
    }};
}

impl Ground {
    /// Kills the daemon and starts it again.
    async fn again(&self, larm: Larm) -> Larm {
        larm.kill();
        Larm::start(self).await
    }

    /// The one job ran once and ended well, and all that it left is told.
    async fn expect_the_job(&self, larm: &Larm, id: &RunnerId) {
        larm.life(id).await.expect_a_good_job();
        self.expect_job_ran(LABEL);
    }

    /// A runner that listens.
    async fn listening(&self, larm: &Larm) -> RunnerId {
        let id = larm.create(Some(self.credential(LABEL))).await;
        larm.until(&id, Phase::Listening).await;
        id
    }

    /// A runner with its job.
    async fn busy(&self, larm: &Larm) -> RunnerId {
        self.queue_job(LABEL, JOB);
        let id = larm.create(Some(self.credential(LABEL))).await;
        larm.until(&id, Phase::Busy).await;
        id
    }
}

/// Before its guest is ready a runner's credential is in the daemon's memory only: it ends with
/// the daemon, and the runner is undone. A standby needs none, and is adopted.
async fn ended_before_standby(phase: Phase) {
    let (ground, larm) = ground!();
    let standby = larm.begin(None).await;
    ground.queue_job("lost", JOB);
    let lost = larm.begin(Some(ground.credential("lost"))).await;
    larm.until(&lost, phase).await;
    let larm = ground.again(larm).await;
    larm.life(&lost).await.expect_undone();
    assert_eq!(ground.job("lost").runs, 0);
    larm.until(&standby, Phase::Standby).await;
    ground.queue_job(LABEL, JOB);
    larm.give(&standby, ground.credential(LABEL)).await;
    ground.expect_the_job(&larm, &standby).await;
    larm.end(&ground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_creating() {
    ended_before_standby(Phase::Creating).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_booting() {
    ended_before_standby(Phase::Booting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_standing_by() {
    let (ground, larm) = ground!();
    let id = larm.create(None).await;
    larm.until(&id, Phase::Standby).await;
    let larm = ground.again(larm).await;
    assert_eq!(larm.runner(&id).await.phase, Phase::Standby);
    ground.queue_job(LABEL, JOB);
    larm.give(&id, ground.credential(LABEL)).await;
    ground.expect_the_job(&larm, &id).await;
    larm.end(&ground).await;
}

/// The credential may have reached the guest or not: then the job runs, or the runner is removed
/// after its deadline for listening.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_handing_over() {
    let (ground, larm) = ground!();
    let id = larm.create(None).await;
    larm.until(&id, Phase::Standby).await;
    ground.queue_job(LABEL, JOB);
    larm.give(&id, ground.credential(LABEL)).await;
    let larm = ground.again(larm).await;
    let life = larm.life(&id).await;
    if life.phases.contains(&Phase::Listening) {
        life.expect_a_good_job();
        ground.expect_job_ran(LABEL);
    } else {
        assert_eq!(ground.job(LABEL).runs, 0, "{life:?}");
    }
    larm.end(&ground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_listening() {
    let (ground, larm) = ground!();
    let id = ground.listening(&larm).await;
    let larm = ground.again(larm).await;
    assert_eq!(larm.runner(&id).await.phase, Phase::Listening);
    ground.queue_job(LABEL, JOB);
    ground.expect_the_job(&larm, &id).await;
    larm.end(&ground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_busy() {
    let (ground, larm) = ground!();
    let id = ground.busy(&larm).await;
    let larm = ground.again(larm).await;
    ground.expect_the_job(&larm, &id).await;
    larm.end(&ground).await;
}

/// The job ends while there is no daemon: what it left waits in the guest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_busy_until_after_the_job() {
    let (ground, larm) = ground!();
    let id = ground.busy(&larm).await;
    larm.kill();
    ground.job_ends(LABEL).await;
    let larm = Larm::start(&ground).await;
    ground.expect_the_job(&larm, &id).await;
    larm.end(&ground).await;
}

async fn ended_after_the_job(phase: Phase) {
    let (ground, larm) = ground!();
    let id = ground.busy(&larm).await;
    larm.until(&id, phase).await;
    let larm = ground.again(larm).await;
    ground.expect_the_job(&larm, &id).await;
    larm.end(&ground).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_finished() {
    ended_after_the_job(Phase::Finished).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_deleting() {
    ended_after_the_job(Phase::Deleting).await;
}

/// A removal that was granted is carried out, whoever is there to do it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_removal_is_asked_for() {
    let (ground, larm) = ground!();
    let id = ground.listening(&larm).await;
    larm.begin_removal(&id).await;
    let larm = ground.again(larm).await;
    let life = larm.life(&id).await;
    assert!(life.metrics.pre_job.is_none(), "{life:?}");
    larm.end(&ground).await;
}

/// LXD carries out an order of a daemon that has ended after the next one has given the runner up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_comes_late_is_removed() {
    let (ground, larm) = ground!();
    let id = larm.create(None).await;
    let [name] = ground.instances().await.try_into().unwrap();
    let instance = ground.client.instance(&name).await.unwrap().unwrap();
    larm.begin_removal(&id).await;
    larm.life(&id).await;
    let gone = ground.next(|event| {
        matches!(event, Event::Lifecycle(news) if news.action == "instance-deleted"
            && news.instance.as_ref() == Some(&name))
    });
    let ours = |key: &str| key.starts_with("user.larm.");
    let late = NewInstance {
        name: name.clone(),
        instance_type: host::instance_type(),
        image: ImageSource::Alias(host::image()),
        ephemeral: true,
        profiles: vec![host::profile()],
        config: instance.config.into_iter().filter(|(key, _)| ours(key)).collect(),
        ..NewInstance::default()
    };
    let order = async {
        let operation = ground.client.create_instance(&late).await.unwrap();
        ground.client.wait(&operation, PATIENCE).await.unwrap();
    };
    tokio::join!(gone, order);
    larm.end(&ground).await;
}

/// Several runners, and a daemon that never lives for longer than a few entries of its journal:
/// each is undone or runs its job once, and the last daemon finds everything in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn again_and_again() {
    let (ground, mut larm) = ground!();
    let labels = ["a", "b", "c"];
    for label in labels {
        ground.queue_job(label, JOB);
        let id = larm.create(None).await;
        larm.until(&id, Phase::Standby).await;
        larm.give(&id, ground.credential(label)).await;
        larm.until(&id, Phase::Listening).await;
        // One more in the making, whose credential does not outlive the next end.
        larm.begin(Some(ground.credential(&format!("lost-{label}")))).await;
        larm = ground.again(larm).await;
    }
    for _ in 0..8 {
        let seen = larm.events(0, None).await.next;
        let more = larm.news(seen, |_| true);
        if tokio::time::timeout(Duration::from_secs(2), more).await.is_err() {
            break;
        }
        larm = ground.again(larm).await;
    }
    for name in larm.names().await {
        larm.life(name.id()).await;
    }
    for label in labels {
        ground.expect_job_ran(label);
    }
    larm.end(&ground).await;
}
