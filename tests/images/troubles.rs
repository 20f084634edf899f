//! Builds that cannot be, and one that is interrupted: nothing is left of them.

use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::ground::{Ground, said};
use crate::host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_build_leaves_nothing() {
    let Some(ground) = Ground::find() else { return };
    interrupted(&ground, &[Signal::INT]).await;
    assert_eq!(ground.instances().await, [""; 0]);
    assert_eq!(ground.target().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_insists_does_not_wait_for_the_end() {
    let Some(ground) = Ground::find() else { return };
    let output = interrupted(&ground, &[Signal::INT, Signal::TERM]).await;
    assert!(said(&output).contains("`larm image prune` removes it once"), "{}", said(&output));
    assert_eq!(ground.instances().await.len(), 1);
    assert_eq!(ground.target().await, None);
}

/// What a build says that gets these signals once its instance runs.
async fn interrupted(ground: &Ground, signals: &[Signal]) -> Output {
    let mut command = ground.build("packages = []\nscript = \"waits\"\n", &["--json"]);
    ground.write("waits", "#!/bin/sh\nsleep 300\n");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while !ground.has_running().await {
        assert!(begin.elapsed() < Duration::from_mins(1), "no instance is made");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    for signal in signals {
        kill_process(id, *signal).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(begin.elapsed() < Duration::from_mins(2), "it waited for the script");
    output
}

/// A build that was killed with SIGKILL cannot clean up: what it left is told by its time limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_build_has_left_goes_when_its_time_is_over() {
    let Some(ground) = Ground::find() else { return };
    let name = |word: &str| format!("{}-{word}", ground.alias);
    for (word, until) in [("old", "2020-01-01T00:00:00Z"), ("new", "2999-01-01T00:00:00Z")] {
        ground.leave(&name(word), until).await;
    }
    let pruned = ground.json(&["prune", &ground.alias]);
    let instances = pruned["instances"].as_array().unwrap();
    assert!(instances.contains(&name("old").into()), "{pruned}");
    assert_eq!(ground.instances().await, [name("new")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_cannot_be_says_why() {
    let Some(ground) = Ground::find() else { return };
    let (own, image) = (ground.alias.clone(), host::image());
    for (alias, base, code, why) in [
        (image.as_str(), image.as_str(), 4, "names an image that `larm image build` has not made"),
        (own.as_str(), "no-such-image", 3, "there is no image no-such-image to begin with"),
        (own.as_str(), "https://127.0.0.1:9:x", 1, "Unable to connect to: 127.0.0.1:9"),
    ] {
        let output = ground.build_as(alias, "packages = []\n", &["--base", base]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
    }
    assert_eq!(ground.instances().await, [""; 0]);
}
