//! Runners that end badly on a real LXD: their logs say why afterwards, the living tell theirs as
//! they come, and one that is kept can be looked into.

use std::process::{Child, Output, Stdio};
use std::time::Duration;

use larm::http::types::Runner;
use larm::model::Phase;
use larm::smoke::standin::JobSpec;
use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Ground, exec};
use crate::larm::Larm;

const POOL: &str = "
[[pool]]
name = 'web'
github = 'acme/web'
labels = ['small']
memory = '256MiB'
min_idle = 1
max = 3
";
const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

fn text(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text.into_owned()
}

fn log(larm: &Larm, runner: &Runner, name: &str) -> String {
    text(&larm.run(&["runner", "logs", &runner.name.to_string(), name]))
}

fn names(larm: &Larm, runner: &Runner) -> Vec<String> {
    let list = text(&larm.run(&["runner", "logs", runner.id.as_str(), "--list"]));
    list.lines().map(str::to_owned).collect()
}

async fn gone(ground: &Ground, larm: &Larm, runner: &Runner) {
    ground.until("it is gone", async || phase(larm, runner).await == Phase::Gone).await;
}

async fn phase(larm: &Larm, runner: &Runner) -> Phase {
    larm.runners().await.iter().find(|one| one.id == runner.id).unwrap().phase
}

/// The runner that listens, and no other.
async fn listening(ground: &Ground, larm: &Larm) -> Runner {
    larm.until_there_are(ground, 1, Phase::Listening).await;
    larm.live().await.into_iter().find(|one| one.phase == Phase::Listening).unwrap()
}

/// `larm runner logs --follow`, beside the test.
fn follow(larm: &Larm, runner: &Runner) -> Child {
    let mut command = larm.command(&["runner", "logs", runner.id.as_str(), "--follow"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// How many commands of larm follow the journal in a guest.
async fn followers(ground: &Ground, runner: &Runner) -> usize {
    let count = larm::lxd::Exec::new(["pgrep", "-c", "-x", "journalctl"]);
    let name = runner.name.to_string();
    let output = ground.client.run(&name, &count, 100, Duration::from_secs(30)).await.unwrap();
    output.text().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_memory_a_killed_boot_and_a_lost_guest_say_why() {
    let Some(ground) = Ground::open().await else { return };
    ground.configure("1s", POOL);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    let runner = listening(&ground, &larm).await;

    let mut job = JobSpec::new("greedy", &["small"], Duration::ZERO);
    job.steps = vec![format!("echo with {TOKEN}"), "tail /dev/zero".to_owned()];
    ground.github.queue_job(JobSpec { repository: "acme/web".to_owned(), ..job });
    gone(&ground, &larm, &runner).await;
    let why = log(&larm, &runner, "why.txt");
    assert!(why.contains("1 of its processes were killed for lack of memory"), "{why}");
    let kernel = log(&larm, &runner, "kernel.log");
    assert!(kernel.contains("killed for lack of memory (OOM)"), "{kernel}");
    let said = log(&larm, &runner, "runner.log");
    assert!(said.contains("Running job: greedy") && said.contains("Killed"), "{said}");
    assert!(said.contains("with ghp_***") && !said.contains(TOKEN), "{said}");
    assert!(log(&larm, &runner, "console.log").contains("systemd"));

    let lost = listening(&ground, &larm).await;
    assert!(names(&larm, &lost).contains(&"kernel.log".to_owned()));
    assert!(log(&larm, &lost, "runner.log").contains("Listening for Jobs"), "while it lives");
    exec(&ground.client, &lost.name.to_string(), "poweroff -ff").await;
    gone(&ground, &larm, &lost).await;
    ground.until("why is kept", async || names(&larm, &lost) == ["why.txt"]).await;
    assert!(log(&larm, &lost, "why.txt").contains("powered itself off"));

    a_killed_boot(&ground, &larm).await;
    // Of a runner that nobody remembers there are the logs still.
    larm.stop();
    for file in std::fs::read_dir(ground.path("state")).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let larm = Larm::start(&ground).await;
    assert!(larm.runners().await.iter().all(|one| one.id != runner.id), "it is forgotten");
    assert_eq!(log(&larm, &runner, "why.txt"), why);
    let begin: String = runner.id.as_str().chars().take(8).collect();
    assert_eq!(text(&larm.run(&["runner", "logs", &begin, "why.txt"])), why);
    ground.configure("1s", "");
    text(&larm.run(&["reload"]));
    // GitHub's list tells of registrations that no record knows only after ten minutes.
    ground.until("no instance is left", async || ground.instances().await.is_empty()).await;
}

async fn a_killed_boot(ground: &Ground, larm: &Larm) {
    let created = text(&larm.run(&["runner", "create", "--standby", "--wait", "standby"]));
    let standby = larm.live().await.into_iter().find(|one| one.name.to_string() == created.trim());
    let standby = standby.unwrap();
    exec(&ground.client, created.trim(), "pkill -KILL -f 'larm/guest wait'").await;
    gone(ground, larm, &standby).await;
    let why = log(larm, &standby, "why.txt");
    assert!(why.contains("cloud-init") && why.contains("it failed when it was standby"), "{why}");
    assert!(log(larm, &standby, "status").contains("status: error"));
    let output = log(larm, &standby, "cloud-init-output.log");
    assert!(output.contains("Cloud-init"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_listener_is_followed_to_its_end_and_kept_for_inspection() {
    let Some(ground) = Ground::open().await else { return };
    ground.configure("1s", POOL);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    let runner = listening(&ground, &larm).await;
    let name = runner.name.to_string();

    let stopped = follow(&larm, &runner);
    let pid = Pid::from_raw(stopped.id().try_into().unwrap()).unwrap();
    ground.until("it is followed", async || followers(&ground, &runner).await == 1).await;
    kill_process(pid, Signal::INT).unwrap();
    assert!(text(&stopped.wait_with_output().unwrap()).contains("listening"));
    ground.until("nobody follows", async || followers(&ground, &runner).await == 0).await;

    let followed = follow(&larm, &runner);
    ground.until("it is followed", async || followers(&ground, &runner).await == 1).await;
    let kept = text(&larm.run(&["runner", "keep", &name, "--for", "2h"]));
    assert!(kept.contains("kept for 2h once it has ended"), "{kept}");
    exec(&ground.client, &name, "pkill -KILL -x Runner.Listener").await;
    let said = text(&followed.wait_with_output().unwrap());
    for part in ["Listening for Jobs", "finished", "==> why.txt <==", "ended with code 137"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    it_is_held(&ground, larm, &runner).await;
}

async fn it_is_held(ground: &Ground, larm: Larm, runner: &Runner) {
    let name = runner.name.to_string();
    larm.kill();
    let larm = Larm::start(ground).await;
    assert!(text(&larm.run(&["runner", "list"])).contains("kept until"));
    assert!(text(&larm.run(&["runner", "show", &name])).contains("kept"));
    assert!(larm.why(&name).await.contains("its instance is kept until"));
    let cleaned = larm.run(&["cleanup"]);
    assert!(cleaned.status.success());
    assert!(String::from_utf8_lossy(&cleaned.stderr).contains(&format!("kept {name}")));
    assert_eq!(text(&larm.run(&["runner", "shell", &name, "--", "hostname"])).trim(), name);
    let known = || ground.github.runners().into_iter().any(|one| one.name == name);
    ground.until("its registration is gone", async || !known()).await;
    // Another one has come meanwhile: it takes no place in its pool.
    larm.until_there_are(ground, 1, Phase::Listening).await;
    text(&larm.run(&["runner", "keep", &name, "--for", "1s"]));
    gone(ground, &larm, runner).await;
    ground.configure("1s", "");
    text(&larm.run(&["reload"]));
    ground.nothing_is_left().await;
}
