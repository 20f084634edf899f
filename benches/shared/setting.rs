//! What benchmarks do with the ground of the tests: other settings, and a wait that knows seeds.

use crate::ground::Ground;
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

/// Waits until neither LXD nor GitHub has a runner of this farm. Seeds, which instances are copied
/// from, stay until the end.
pub(crate) async fn no_runner_is_left(ground: &Ground) {
    ground
        .until("no runner is left", async || {
            runners(ground).await.is_empty() && ground.github.runners().is_empty()
        })
        .await;
}

/// The names of the instances of this farm, without its seeds.
pub(crate) async fn runners(ground: &Ground) -> Vec<String> {
    let mut names = ground.instances().await;
    names.retain(|name| !name.contains("-seed-"));
    names
}

/// Deletes the seeds of a daemon that has stopped.
pub(crate) async fn delete_seeds(ground: &Ground) {
    for name in ground.instances().await {
        leftovers::delete(&ground.client, &name).await;
    }
}
