//! LXD, GitHub and the guest say different things of a runner: each kind that can be made on a
//! real LXD is made once, named in the journal, remedied, and told of by `why`.

use std::collections::BTreeMap;
use std::time::Duration;

use larm::http::types::Runner;
use larm::model::{Mismatch, Phase};
use larm::smoke::standin::{Faults, Versions, WebhookFaults};

use crate::ground::{Ground, instance};
use crate::larm::Larm;

const POOL: &str = "
[[pool]]
name = 'web'
github = 'acme/web'
labels = ['small']
min_idle = 1
max = 3
idle_timeout = '1s'
deadlines = { register = '20s' }
";

/// A farm with one runner that listens.
async fn set(ground: &Ground) -> (Larm, Runner) {
    ground.configure("2s", POOL);
    ground.add_hook();
    let larm = Larm::start(ground).await;
    larm.until_there_are(ground, 1, Phase::Listening).await;
    let runner = larm.live().await.remove(0);
    (larm, runner)
}

/// It is told of, the runner is replaced, and the farm is as it was.
async fn is_remedied(ground: &Ground, larm: &Larm, runner: &Runner, wanted: Mismatch) {
    let what = format!("{} is told of as {wanted}", runner.name);
    ground.until(&what, async || larm.tells_of(wanted).await).await;
    ground.until("it is gone", async || phase(larm, runner).await == Phase::Gone).await;
    let why = larm.why(&runner.name.to_string()).await;
    assert!(why.contains(wanted.as_str()), "{why}");
    larm.until_there_are(ground, 1, Phase::Listening).await;
}

async fn phase(larm: &Larm, runner: &Runner) -> Phase {
    larm.runners().await.iter().find(|one| one.id == runner.id).unwrap().phase
}

fn number(ground: &Ground, runner: &Runner) -> u64 {
    let name = runner.name.to_string();
    ground.github.runners().iter().find(|one| one.name == name).unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ghost_is_replaced() {
    let Some(ground) = Ground::open().await else { return };
    let (larm, runner) = set(&ground).await;
    ground.github.forget_runner(number(&ground, &runner), true).unwrap();
    is_remedied(&ground, &larm, &runner, Mismatch::Ghost).await;
    larm.stop();
}

/// Somebody deletes the instance: its registration stays at GitHub.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_record_is_removed_at_github() {
    let Some(ground) = Ground::open().await else { return };
    let (larm, runner) = set(&ground).await;
    let name = runner.name.to_string();
    crate::leftovers::delete(&ground.client, &name).await;
    is_remedied(&ground, &larm, &runner, Mismatch::LeakedRecord).await;
    assert!(ground.github.runners().iter().all(|one| one.name != name));
    larm.stop();
}

/// Its listener is killed so that it can tell nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_is_replaced() {
    let Some(ground) = Ground::open().await else { return };
    let (larm, runner) = set(&ground).await;
    let kill = "chmod 0 /usr/local/lib/larm/guest; \
                systemctl kill --signal=KILL larm-runner.service";
    crate::ground::exec(&ground.client, &runner.name.to_string(), kill).await;
    is_remedied(&ground, &larm, &runner, Mismatch::Zombie).await;
    larm.stop();
}

/// A runner is wanted for one job, and GitHub gives it an older one that nobody told of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_runner_is_replaced_by_count() {
    let Some(ground) = Ground::open().await else { return };
    ground.configure("10m", &POOL.replace("min_idle = 1", "min_idle = 0"));
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    // The first look at the queue finds nothing, and the next one comes too late.
    ground.until("the queue was looked at", async || larm.has_polled().await).await;
    let unheard = WebhookFaults { lost_silently: 1000, ..WebhookFaults::default() };
    ground.github.set_faults(Faults { webhooks: unheard, ..Faults::default() });
    ground.queue("acme/web", &["small"], Duration::from_secs(2));
    ground.github.set_faults(Faults::default());
    let wanted = ground.queue("acme/web", &["small"], Duration::from_secs(2));
    ground.until("it is told of", async || larm.tells_of(Mismatch::Stolen).await).await;
    ground.all_finished().await;
    ground.nothing_is_left().await;
    ground.expect_jobs_ran_once();
    let why = larm.why(&wanted.to_string()).await;
    assert!(why.contains("completed"), "{why}");
    larm.stop();
}

/// It has its credential, and GitHub does not see it online.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deaf_runner_is_replaced() {
    let Some(ground) = Ground::open().await else { return };
    let (larm, runner) = set(&ground).await;
    ground.github.lose_sight_of(number(&ground, &runner)).unwrap();
    is_remedied(&ground, &larm, &runner, Mismatch::Deaf).await;
    larm.stop();
}

/// An instance that carries the marks of a runner of ours, and no record knows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphan_is_removed() {
    let Some(ground) = Ground::open().await else { return };
    let (larm, runner) = set(&ground).await;
    let prefix = runner.name.prefix().to_string();
    let name = format!("{prefix}-00000000000a");
    let keys = [("user.larm.manager", prefix.as_str()), ("user.larm.runner", "00000000000a")];
    let config: BTreeMap<_, _> =
        keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let made = ground.client.create_instance(&instance(&name, config)).await.unwrap();
    // It may be gone before LXD is done with making it.
    drop(ground.client.wait(&made, Duration::from_mins(1)).await);
    ground.until("it is told of", async || larm.tells_of(Mismatch::Orphan).await).await;
    ground.until("it is gone", async || !ground.instances().await.contains(&name)).await;
    larm.stop();
}

/// GitHub gives no jobs to a version from now on, and has a newer one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doomed_version_is_replaced_by_the_newest() {
    let Some(ground) = Ground::open().await else { return };
    let versions = |newest: &str, past: Option<&str>| Versions {
        newest: newest.to_owned(),
        deprecations: [(newest.to_owned(), None)]
            .into_iter()
            .chain(past.map(|past| (past.to_owned(), Some(jiff::Timestamp::UNIX_EPOCH))))
            .collect(),
        padding: 0,
    };
    ground.github.set_versions(versions("2.400.0", None));
    let (larm, runner) = set(&ground).await;
    assert_eq!(runner.application_version.as_deref(), Some("2.400.0"));
    ground.github.set_versions(versions("2.401.0", Some("2.400.0")));
    // As after an hour: the newest version is looked for.
    larm.signal(rustix::process::Signal::HUP);
    is_remedied(&ground, &larm, &runner, Mismatch::Doomed).await;
    let job = ground.queue("acme/web", &["small"], Duration::from_secs(1));
    ground.all_finished().await;
    ground.expect_jobs_ran_once();
    let name = ground.runners_of_jobs().remove(&job).unwrap();
    let had = larm.runners().await.into_iter().find(|one| one.name.to_string() == name).unwrap();
    assert_eq!(had.application_version.as_deref(), Some("2.401.0"));
    larm.stop();
}
