//! Instances are made in the fastest way, and follow the image that an alias names.

use std::collections::BTreeMap;
use std::time::Duration;

use larm::lxd::Instance;
use larm::model::Phase;
use serde_json::Value;

use crate::ground::Ground;
use crate::host;
use crate::larm::Larm;

const POOL: &str = "
[[pool]]
name = 'web'
github = 'acme/web'
labels = ['small']
image = 'IMAGE'
standby = 2
max = 4
idle_timeout = '2s'
";
const SEED: &str = "user.larm.seed";

/// The alias moves while a job runs: the job is not touched, standbys are made anew, and what they
/// were copied from goes with the old image.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_follow_the_image_of_an_alias() {
    let Some(ground) = Ground::open().await else { return };
    let alias = Alias::new(&ground).await;
    ground.configure("2s", &POOL.replace("IMAGE", &alias.name));
    ground.create_by("snapshot");
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    ground.until("there is a seed", async || !seeds(&ground).await.is_empty()).await;
    let first = seeds(&ground).await;
    larm.until_there_are(&ground, 2, Phase::Standby).await;
    // Those of before the seed were made from the image.
    ground.queue_until_told("acme/web", &["small"]);
    larm.until_there_are(&ground, 1, Phase::Busy).await;
    ground
        .until("one is a copy", async || copies(&ground).await.iter().any(|one| one.is_running))
        .await;
    larm.until_there_are(&ground, 2, Phase::Standby).await;
    let before = larm.live().await;
    let busy = before.iter().find(|one| one.phase == Phase::Busy).unwrap();

    alias.point_to(&host::variable("LARM_TEST_IMAGE_TRIXIE", &host::image())).await;
    let output = larm.run(&["reload"]);
    assert!(output.status.success(), "{output:?}");
    ground
        .until("all standbys are of the new image", async || {
            let live = larm.live().await;
            let mut waiting = live.iter().filter(|one| one.phase == Phase::Standby);
            let is_new = |id| before.iter().all(|old| old.id != id);
            waiting.clone().count() == 2 && waiting.all(|one| is_new(one.id.clone()))
        })
        .await;
    let now = larm.live().await.into_iter().find(|one| one.id == busy.id).unwrap();
    assert_eq!((now.phase, now.removal), (Phase::Busy, None), "the busy one is touched");
    ground
        .until("the old seed is gone", async || {
            let now = seeds(&ground).await;
            now.len() == 1 && now.iter().all(|seed| !first.contains(seed))
        })
        .await;
    ground.tell_job_to_end(&busy.name.to_string()).await;
    ground.queue("acme/web", &["small"], Duration::ZERO);
    ground.all_finished().await;
    ground.expect_jobs_ran_once();
    larm.stop();
    alias.remove().await;
}

/// Jobs come while one generation follows another: what is ready serves, and the rest is made from the
/// new image.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_roll_over_under_load() {
    let Some(ground) = Ground::open().await else { return };
    let alias = Alias::new(&ground).await;
    ground.configure("2s", &POOL.replace("IMAGE", &alias.name));
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    larm.until_there_are(&ground, 2, Phase::Standby).await;
    let old = larm.live().await[0].instance.fingerprint.clone();

    alias.point_to(&host::variable("LARM_TEST_IMAGE_TRIXIE", &host::image())).await;
    let output = larm.run(&["reload"]);
    assert!(output.status.success(), "{output:?}");
    ground
        .until("the roll-over begins", async || {
            larm.live().await.iter().any(|one| one.instance.fingerprint != old)
        })
        .await;
    for _ in 0..8 {
        ground.queue("acme/web", &["small"], Duration::from_secs(1));
    }
    ground.all_finished().await;
    ground.expect_jobs_ran_once();
    let runners = larm.runners().await;
    let of_jobs = ground.runners_of_jobs();
    let of_old = runners.iter().filter(|one| one.instance.fingerprint == old);
    let of_old: Vec<_> = of_old.map(|one| one.name.to_string()).collect();
    let ran = of_old.iter().filter(|name| of_jobs.values().any(|of_job| of_job == *name)).count();
    assert_eq!(
        (ran, of_jobs.len()),
        (2, 8),
        "{of_old:?} of the old image, jobs ran on {of_jobs:?}"
    );
    ground
        .until("only the new image is left", async || {
            let live = larm.live().await;
            live.len() == 2 && live.iter().all(|one| one.instance.fingerprint != old)
        })
        .await;
    larm.stop();
    alias.remove().await;
}

/// What a host is best at is measured once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fastest_way_is_measured_and_remembered() {
    let Some(ground) = Ground::open_alone().await else { return };
    let pool = POOL.replace("IMAGE", &host::image()).replace("standby = 2", "");
    ground.configure("2s", &pool);
    ground.create_by("auto");
    let larm = Larm::start(&ground).await;
    let kept = ground.path("state/creation.json");
    ground.until("it was measured", async || kept.exists()).await;
    let text = std::fs::read_to_string(&kept).unwrap();
    let measured: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let took = &measured.values().next().unwrap()["took"];
    for way in ["image", "copy", "snapshot"] {
        assert!(took[way].as_u64().unwrap() > 0, "{text}");
    }
    ground
        .until("nothing of it is left", async || {
            ground.instances().await.iter().all(|name| !name.contains("-trial-"))
        })
        .await;
    larm.stop();
    // As a daemon leaves it that is stopped while it measures.
    let trial = ground.leave_marked("-trial-copy").await;
    let larm = Larm::start(&ground).await;
    ground
        .until("what was left is removed", async || !ground.instances().await.contains(&trial))
        .await;
    ground.queue("acme/web", &["small"], Duration::ZERO);
    larm.until_there_are(&ground, 0, Phase::Booting).await;
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), text, "it was measured again");
    larm.stop();
}

/// A pool waits for its image. Once a reload names that image, the daemon builds it with the runner
/// application that it has fetched: none is pushed. What a killed build has left it removes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_builds_the_image_that_is_lacking() {
    let Some(ground) = Ground::open().await else { return };
    let alias =
        Alias { client: ground.client.clone(), name: format!("tfarm-{}", uuid::Uuid::new_v4()) };
    let recipe = ground.path("recipe.toml");
    std::fs::write(&recipe, "packages = []\n").unwrap();
    let image = format!(
        "[image]\nalias = '{}'\nbase = '{}'\nrecipe = '{}'\n",
        alias.name,
        host::image(),
        recipe.display()
    );
    let pool = POOL.replace("IMAGE", &alias.name).replace("standby = 2", "");
    ground.configure("2s", &pool);
    ground.add_hook();
    let left = ground.leave_of_build().await;
    let larm = Larm::start(&ground).await;
    ground.queue("acme/web", &["small"], Duration::ZERO);
    ground
        .until("what was left is removed", async || !ground.instances().await.contains(&left))
        .await;
    ground.configure("2s", &format!("{image}{pool}"));
    let output = larm.run(&["reload"]);
    assert!(output.status.success(), "{output:?}");
    ground.all_finished().await;
    ground.expect_jobs_ran_once();
    let image = ground.client.image_by_alias(&alias.name).await.unwrap().unwrap();
    let version = image.properties.get("user.larm.runner-version").unwrap();
    let names = ground.runners_of_jobs();
    let name = names.values().next().unwrap();
    let ran = larm.runners().await.into_iter().find(|one| one.name.to_string() == *name).unwrap();
    assert_eq!(ran.instance.baked.as_ref(), Some(version), "{ran:#?}");
    assert_eq!(ran.instance.fingerprint, image.fingerprint);
    let built = larm.metric("larm_image_built_timestamp_seconds");
    assert!(built > 1_700_000_000.0, "{built}");
    larm.stop();
    alias.remove().await;
    drop(ground.client.delete_image(&image.fingerprint).await);
}

/// An alias of the test's own.
struct Alias {
    client: larm::lxd::Client,
    name: String,
}

impl Alias {
    async fn new(ground: &Ground) -> Self {
        let name = format!("tfarm-{}", uuid::Uuid::new_v4());
        let alias = Self { client: ground.client.clone(), name };
        alias.point_to(&host::image()).await;
        alias
    }

    async fn point_to(&self, other: &str) {
        self.remove().await;
        let image = self.client.image_by_alias(other).await.unwrap().unwrap();
        self.client.create_alias(&self.name, &image.fingerprint).await.unwrap();
    }

    async fn remove(&self) {
        drop(self.client.delete_alias(&self.name).await);
    }
}

/// An instance that was copied from a seed.
struct Copied {
    is_running: bool,
}

async fn with_mark(ground: &Ground) -> Vec<Instance> {
    let names = ground.instances().await;
    let all = ground.client.instances().await.unwrap().into_iter();
    all.filter(|one| names.contains(&one.name) && one.config.contains_key(SEED)).collect()
}

async fn seeds(ground: &Ground) -> Vec<String> {
    let all = with_mark(ground).await.into_iter();
    let complete = all.filter(|one| one.config.contains_key("user.larm.seed-state"));
    complete.filter(is_seed).map(|one| one.name).collect()
}

async fn copies(ground: &Ground) -> Vec<Copied> {
    let all = with_mark(ground).await.into_iter().filter(|one| !is_seed(one));
    all.map(|one| Copied { is_running: one.status_code.is_running() }).collect()
}

/// A copy carries the mark of what it was copied from.
fn is_seed(instance: &Instance) -> bool {
    instance.config.get(SEED) == Some(&instance.name) && instance.name.contains("-seed-")
}
