//! Guests that fail: at boot, at registration, in the middle of a job; and a bad connection.

use std::time::Duration;

use larm::guest::{RunnerSource, UserData};
use larm::lxd::StateChange;
use larm::model::{CloudInitStatus, GuestPhase, PostJobStatus};
use larm::smoke::standin::{Faults, JobSpec, JobState};

use crate::support::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_without_the_application_fails_and_cloud_init_says_so() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot_with(&UserData::default()).await;
    let failed = guest.until(GuestPhase::Failed).await;
    assert!(failed.detail.unwrap().contains("no runner application in /opt/actions-runner"));
    let probe = guest.probe_at_end().await;
    assert_eq!(probe.cloud_init.status, CloudInitStatus::Error);
    assert!(probe.cloud_init.detail.unwrap().contains("runcmd"));
    assert!(!probe.runner_started);
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_with_another_checksum_is_not_run() {
    let Some(host) = Host::find().await else { return };
    let RunnerSource::Download { url, .. } = host.github.runner_source() else { return };
    let runner = RunnerSource::Download { url, sha256: "0".repeat(64) };
    let mut guest = host.boot_with(&UserData { runner, ..UserData::default() }).await;
    let failed = guest.until(GuestPhase::Failed).await;
    assert_eq!(failed.detail.as_deref(), Some("the runner application has a wrong checksum"));
    assert_eq!(guest.shell("ls /opt/actions-runner 2>&1 | wc -l").await.trim(), "1");
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_registration_is_a_failure() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    let jit = host.github.jit_config(&guest.name(), &["linux"]).unwrap();
    host.github.set_faults(Faults { refuse_registration: true, ..Faults::default() });
    guest.give(&larm::guest::Credential::Jit(jit)).await;
    let failed = guest.until(GuestPhase::Failed).await;
    assert_eq!(failed.exit_code, Some(1));
    assert!(failed.detail.unwrap().contains("before it listened"));
    assert_eq!(guest.probe_at_end().await.cloud_init.status, CloudInitStatus::Error);
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_killed_is_finished_with_137() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    guest.shell("pkill -KILL -x Runner.Listener").await;
    let finished = guest.until(GuestPhase::Finished).await;
    assert_eq!((finished.exit_code, finished.detail), (Some(137), None));
    let post_job = finished.post_job.present().unwrap();
    assert_eq!(post_job.status, PostJobStatus::Abnormal);
    assert_eq!(post_job.status_info.as_ref().unwrap().code, 137);
    assert_eq!(guest.probe_at_end().await.cloud_init.status, CloudInitStatus::Done);

    // The same guest, restarted: nothing of its state is left, and that is told.
    guest.change(StateChange::Stop { force: true, timeout: None }).await;
    guest.change(StateChange::Start).await;
    guest.shell("timeout 60 cloud-init status --wait").await;
    let restarted = guest.report().await.unwrap();
    assert_eq!(restarted.phase, GuestPhase::Finished);
    assert!(restarted.detail.unwrap().contains("restarted"));
    assert_eq!(guest.probe().await.cloud_init.status, CloudInitStatus::Done);
    drop(guest);
    host.close().await;
}

/// A listener that asked to be started again was started again, and took a second job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_had_a_job_is_never_started_again() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    let script =
        "echo start >> /tmp/starts; echo 'Listening for Jobs'; echo 'Running job: one'; exit 2";
    guest.install_listener(script).await;
    guest.give_jit().await;
    let finished = guest.until(GuestPhase::Finished).await;
    assert_eq!(finished.exit_code, Some(2));
    assert_eq!(guest.shell("cat /tmp/starts").await, "start\n");
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_that_is_killed_ends_the_runner() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    guest.shell("kill -KILL $(systemctl show -P MainPID larm-runner.service)").await;
    let finished = guest.until(GuestPhase::Finished).await;
    assert_eq!(finished.detail.as_deref(), Some("the runner's supervisor was killed"));
    assert!(!guest.probe_at_end().await.runner_process);
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_once_over_a_bad_connection() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    host.github.set_faults(Faults { failures: 3, drop_assignments: 2, ..Faults::default() });
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    let mut job = JobSpec::new("build", &[], Duration::from_millis(100));
    job.steps.push("exit 3".to_owned());
    let id = host.github.queue_job(job);
    let finished = guest.until(GuestPhase::Finished).await;
    // A job that fails is no failure of its runner.
    assert_eq!(finished.exit_code, Some(0));
    host.github.all_finished().await;
    let record = host.github.jobs().into_iter().find(|record| record.id == id).unwrap();
    assert_eq!((record.state, record.runs), (JobState::Failed, 1));
    drop(guest);
    host.close().await;
}
