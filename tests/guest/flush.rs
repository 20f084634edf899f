//! Flush: idle or busy is decided inside the guest, in one step with ending the runner.

use std::time::Duration;

use larm::guest::Credential;
use larm::guest::command::{BUSY, FLUSHED};
use larm::model::GuestPhase;
use larm::smoke::standin::{Faults, JobSpec, JobState};

use crate::support::Host;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_runner_is_left_alone_unless_ordered() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    let id = host.github.queue_job(JobSpec::new("long", &[], Duration::from_mins(10)));
    guest.until(GuestPhase::Busy).await;
    assert_eq!(guest.flush(false).await, BUSY);
    assert!(guest.probe().await.runner_process);

    assert_eq!(guest.flush(true).await, FLUSHED);
    let report = guest.report().await.unwrap();
    assert_eq!((report.phase, report.exit_code), (GuestPhase::Finished, Some(137)));
    assert_eq!(report.detail.as_deref(), Some("flushed"));
    assert!(!guest.probe().await.runner_process);
    let record = host.github.jobs().into_iter().find(|record| record.id == id).unwrap();
    assert_eq!((record.state, record.runs), (JobState::Running, 1));
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_runner_ends_and_takes_no_job() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    assert_eq!(guest.flush(false).await, FLUSHED);
    assert_eq!(guest.flush(false).await, FLUSHED);
    let id = host.github.queue_job(JobSpec::new("late", &[], Duration::ZERO));
    let report = guest.until(GuestPhase::Finished).await;
    assert_eq!(report.detail.as_deref(), Some("flushed"));
    assert!(!guest.probe_at_end().await.runner_process);
    let record = host.github.jobs().into_iter().find(|record| record.id == id).unwrap();
    assert_eq!(record.runs, 0);
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_no_credential_any_more() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    assert_eq!(guest.flush(false).await, FLUSHED);
    let report = guest.until(GuestPhase::Finished).await;
    assert_eq!((report.exit_code, report.detail.as_deref()), (None, Some("flushed")));
    let jit = host.github.jit_config(&guest.name(), &["linux"]).unwrap();
    guest.takes_no_credential(&Credential::Jit(jit)).await;
    assert_eq!(guest.report().await.unwrap(), report);
    let probe = guest.probe_at_end().await;
    assert!(!probe.runner_started && !probe.runner_process);
    assert!(host.github.runners().iter().all(|runner| !runner.online));
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_being_claimed_ends_too() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    let delay = Duration::from_secs(8);
    host.github.set_faults(Faults { delay, ..Faults::default() });
    guest.give_jit().await;
    // No bell tells of it.
    while guest.report().await.unwrap().phase != GuestPhase::Claimed {}
    assert_eq!(guest.flush(false).await, FLUSHED);
    let report = guest.until(GuestPhase::Finished).await;
    assert_eq!(report.detail.as_deref(), Some("flushed"));
    assert!(!guest.probe_at_end().await.runner_process);
    drop(guest);
    host.close().await;
}

/// The listener has said that it has a job, nobody has read it, and there is no worker yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_listener_has_just_said_counts() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    let script = "trap 'echo \"Running job: one\"' USR1; echo 'Listening for Jobs'; \
        while :; do sleep 0.05; done";
    guest.install_listener(script).await;
    guest.give_jit().await;
    guest.until(GuestPhase::Listening).await;
    let said = "flock /run/larm/lock sh -c 'pkill -USR1 -x Runner.Listener; sleep 1' & \
        sleep 0.3; /usr/local/lib/larm/guest flush idle; echo $?; wait";
    assert_eq!(guest.shell(said).await, format!("{BUSY}\n"));
    guest.until(GuestPhase::Busy).await;
    assert!(guest.probe().await.runner_process, "it goes on");
    assert_eq!(guest.flush(true).await, FLUSHED);
    guest.until(GuestPhase::Finished).await;
    drop(guest);
    host.close().await;
}
