//! Changed pools while jobs run: no busy runner is touched, and the old ones go.

use larm::http::types::Runner;
use larm::model::Phase;

use crate::ground::Ground;
use crate::host;
use crate::larm::Larm;

const BEFORE: &str = "
[[pool]]
name = 'web'
github = 'acme/web'
labels = ['small']
min_idle = 1
max = 4
idle_timeout = '2s'
[[pool]]
name = 'api'
github = 'acme/api'
labels = ['small']
min_idle = 1
max = 2
idle_timeout = '2s'
";

/// Other labels, another image, another size, and one pool less.
const AFTER: &str = "
[[pool]]
name = 'web'
github = 'acme/web'
labels = ['small', 'new']
image = 'IMAGE'
memory = '512MiB'
min_idle = 1
max = 4
idle_timeout = '2s'
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_pools_roll_over_and_removed_ones_drain() {
    let Some(ground) = Ground::open().await else { return };
    ground.configure("2s", BEFORE);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    larm.until_there_are(&ground, 2, Phase::Listening).await;
    for repository in ["acme/web", "acme/api"] {
        ground.queue_until_told(repository, &["small"]);
    }
    larm.until_there_are(&ground, 2, Phase::Busy).await;
    larm.until_there_are(&ground, 2, Phase::Listening).await;
    let before = larm.live().await;
    let (busy, idle): (Vec<_>, Vec<_>) = before.iter().partition(|one| one.phase == Phase::Busy);

    ground.configure("2s", &AFTER.replace("IMAGE", &other_image()));
    let output = larm.run(&["reload", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let told: larm::http::types::farm::Reloaded = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((told.changed, told.removed), (vec!["web".to_owned()], vec!["api".to_owned()]));

    ground
        .until("the old idle ones are gone", async || {
            let live = larm.live().await;
            idle.iter().all(|old| live.iter().all(|one| one.id != old.id))
        })
        .await;
    ground.until("a new one listens", async || larm.live().await.iter().any(is_new)).await;
    for old in &busy {
        let now = larm.live().await.into_iter().find(|one| one.id == old.id).unwrap();
        assert_eq!((now.phase, now.removal), (Phase::Busy, None), "a busy one is touched");
        ground.tell_job_to_end(&old.name.to_string()).await;
    }
    ground.all_finished().await;
    ground.expect_jobs_ran_once();
    ground
        .until("only the new one is left", async || {
            let live = larm.live().await;
            live.len() == 1 && live.iter().all(is_new)
        })
        .await;
    larm.stop();
}

/// The second image, where there is one.
fn other_image() -> String {
    host::variable("LARM_TEST_IMAGE_TRIXIE", &host::image())
}

fn is_new(runner: &Runner) -> bool {
    let labels = runner.binding.as_ref().is_some_and(|one| one.labels.contains(&"new".to_owned()));
    runner.phase == Phase::Listening
        && labels
        && runner.instance.image == other_image()
        && runner.instance.memory.as_deref() == Some("512MiB")
}

/// What is wrong with a file changes nothing, and is told with file and line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_changes_nothing() {
    let Some(ground) = Ground::open().await else { return };
    ground.configure("2s", &BEFORE.replace("min_idle = 1", "min_idle = 0"));
    let larm = Larm::start(&ground).await;
    ground.configure("2s", &BEFORE.replace("max = 2", "max = 'two'"));
    let output = larm.run(&["reload"]);
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("larm.toml:") && text.contains("max"), "{text}");
    assert_eq!(larm.pools().await.pools.len(), 2);
    larm.stop();
}
