//! The stand-in runner application itself, as a process on this host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use larm::smoke::standin::{Faults, Group, JobState, Organization, Repository, Versions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Hub, LIMIT, job};

/// The application in a directory, as it comes out of the archive of this version.
fn unpacked(version: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in larm::smoke::standin::Application::files() {
        write(&dir.path().join(path), content);
    }
    write(&dir.path().join("bin/version"), &format!("{version}\n"));
    dir
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Starts a runner of a place.
async fn runner(hub: &Hub, dir: &TempDir, place: &str, name: &str, codes: bool) -> Child {
    let made: Value = hub.jit(place, name, &["linux"]).await.json().await.unwrap();
    let mut command = Command::new(dir.path().join("bin/Runner.Listener"));
    command.arg("run").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("ACTIONS_RUNNER_INPUT_JITCONFIG", made["encoded_jit_config"].as_str().unwrap());
    if codes {
        command.env("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1");
    }
    command.spawn().unwrap()
}

async fn ended(child: Child) -> Output {
    tokio::time::timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap()
}

async fn online(hub: &Hub, name: &str) {
    let wait = async {
        while !hub.github.runners().iter().any(|one| one.name == name && one.online) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_on_a_runner_of_its_place_only() {
    let hub = Hub::open().await;
    hub.github.set_faults(Faults::default());
    let dirs = [unpacked("2.340.0"), unpacked("2.340.0"), unpacked("2.340.0")];
    let other = runner(&hub, &dirs[0], "orgs/other", "other", false).await;
    online(&hub, "other").await;
    let id = hub.github.queue_job(job("acme/site", &["linux"]));
    let elsewhere = runner(&hub, &dirs[1], "repos/acme/b", "elsewhere", false).await;
    online(&hub, "elsewhere").await;
    assert_eq!(hub.github.jobs()[0].state, JobState::Queued);
    let right = ended(runner(&hub, &dirs[2], "orgs/acme", "right", false).await).await;
    assert!(right.status.success(), "{right:?}");
    let record = hub.github.jobs().remove(0);
    assert_eq!((record.id, record.state, record.runs), (id, JobState::Succeeded, 1));
    assert_eq!(record.runner.as_deref(), Some("right"));
    let of_other: Value = hub.read("/orgs/other/actions/runners").await;
    let shown = &of_other["runners"][0];
    assert_eq!((&shown["status"], &shown["version"]), (&"online".into(), &"2.340.0".into()));
    drop((other, elsewhere));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_group_gets_no_job_of_a_public_repository() {
    let hub = Hub::open().await;
    hub.github.add_repository(Repository { public: true, ..Repository::new("acme/site") });
    hub.github.queue_job(job("acme/site", &["linux"]));
    let dir = unpacked("2.340.0");
    let waiting = runner(&hub, &dir, "orgs/acme", "r", false).await;
    online(&hub, "r").await;
    assert_eq!(hub.github.jobs()[0].state, JobState::Queued);
    let group = Group { id: 1, name: "Default".into(), allows_public_repositories: true };
    let groups = vec![group];
    hub.github.add_organization(Organization { groups, ..Organization::new("acme") });
    // Whatever happens makes GitHub look again.
    hub.github.queue_job(job("acme/site", &["nothing"]));
    assert!(ended(waiting).await.status.success());
    assert_eq!(hub.github.jobs()[0].state, JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_past_its_date_gets_no_job() {
    let hub = Hub::open().await;
    let past = "2026-01-01T00:00:00Z".parse().ok();
    let deprecations = [("2.335.1".to_owned(), past)].into();
    hub.github.set_versions(Versions { deprecations, ..Versions::default() });
    hub.github.queue_job(job("acme/site", &["linux"]));
    let dir = unpacked("2.335.1");
    let version = Command::new(dir.path().join("bin/Runner.Listener")).arg("--version").output();
    assert_eq!(version.await.unwrap().stdout, b"2.335.1\n");
    for (codes, expected) in [(true, 7), (false, 0)] {
        let name = format!("r{expected}");
        let output = ended(runner(&hub, &dir, "orgs/acme", &name, codes).await).await;
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("Listening for Jobs"), "{text}");
        assert!(text.contains("v2.335.1 is deprecated and cannot receive messages"), "{text}");
    }
    assert_eq!(hub.github.jobs()[0].state, JobState::Queued);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_forgotten_ends_or_waits_on() {
    let hub = Hub::open().await;
    let dirs = [unpacked("2.340.0"), unpacked("2.300.0")];
    let told = runner(&hub, &dirs[0], "orgs/acme", "told", false).await;
    let mut ghost = runner(&hub, &dirs[1], "orgs/acme", "ghost", false).await;
    online(&hub, "told").await;
    online(&hub, "ghost").await;
    for one in hub.github.runners() {
        hub.github.forget_runner(one.id, one.name == "ghost").unwrap();
    }
    assert!(hub.github.runners().is_empty());
    let told = ended(told).await;
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    hub.github.queue_job(job("acme/site", &["linux"]));
    assert!(ghost.try_wait().unwrap().is_none());
    assert_eq!(hub.github.jobs()[0].state, JobState::Queued);
}
