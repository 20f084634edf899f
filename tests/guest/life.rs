//! The good life: boot, bell, hand-over, job, hooks, end; with both kinds of credential.

use std::time::Duration;

use jiff::Timestamp;
use larm::guest::cloud_init::CloudInitError;
use larm::guest::probe::{self, ProbeError};
use larm::guest::{Credential, RunnerSource, UserData, command, handover, logs, paths};
use larm::model::{
    CloudInitStatus, Found, GitHubRunnerConfig, GuestPhase, GuestReport, PostJobStatus,
};
use larm::smoke::standin::{JobSpec, JobState};
use secrecy::ExposeSecret;

use crate::support::{Guest, Host};

/// How much of one log is read.
const CAP: usize = 64 << 10;

/// Milliseconds from the guest's stamp of its phase until the watch's output was here. Container
/// and host share their clock.
fn lateness(report: &GuestReport, phase: GuestPhase) -> f64 {
    let age = larm::clock::now().duration_since(*report.reached.get(&phase).unwrap());
    println!("bell: {phase:?} heard {:.1} ms after it was reached", age.as_secs_f64() * 1e3);
    age.as_secs_f64() * 1e3
}

fn seconds(report: &GuestReport, phase: GuestPhase) -> f64 {
    report.reached.get(&phase).unwrap().as_duration().as_secs_f64()
}

/// Nothing that anybody could read later holds the secret.
async fn assert_not_found_anywhere(guest: &Guest<'_>, secret: &str) {
    // As a file, so that the search does not find its own command line.
    guest.push("/root/needle", secret.as_bytes()).await;
    let places = "/run/larm /var/log /var/lib/cloud /etc /var/lib/larm";
    let search = format!(
        "(journalctl --no-pager; cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'; grep -rs . {places}) \
         2>/dev/null | grep -aF -f /root/needle | head -c 500"
    );
    assert_eq!(guest.shell(&search).await, "", "the secret is somewhere");
    // The search finds what is there.
    guest.shell("cp /root/needle /run/larm/needle").await;
    assert!(guest.shell(&search).await.starts_with("/run/larm/needle:"));
    guest.shell("rm /run/larm/needle /root/needle").await;
}

/// A container has the host's clock, and no right to set it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_of_a_container_is_left_alone() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    for (seconds, code) in [("0", 0), ("9999999999", 0), ("now", 64)] {
        let mut command = command::clock(0);
        command.pop();
        command.push(seconds.to_owned());
        assert_eq!(guest.exec(command).await.code, code, "{seconds}");
    }
    let now = larm::clock::now().as_second();
    assert_eq!(guest.exec(command::clock(now)).await.code, 0);
    let theirs: i64 = guest.shell("date +%s").await.trim().parse().unwrap();
    assert!((theirs - now).abs() < 60, "{theirs} there, {now} here");
    drop(guest);
    host.close().await;
}

/// A look at a guest starts no Python as long as nothing has changed for cloud-init.
async fn the_answer_of_cloud_init_is_kept(guest: &Guest<'_>) {
    guest.shell("chmod a-x /usr/bin/cloud-init").await;
    assert_eq!(guest.probe().await.cloud_init.status, CloudInitStatus::Running);
    guest.shell("touch /run/cloud-init/status.json").await;
    let output = guest.exec(command::probe()).await;
    let missing = probe::parse(&output.stdout);
    assert_eq!(missing, Err(ProbeError::CloudInit(CloudInitError::Missing)));
    guest.shell("chmod a+x /usr/bin/cloud-init").await;
    assert_eq!(guest.probe().await.cloud_init.status, CloudInitStatus::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_with_a_just_in_time_configuration() {
    let Some(host) = Host::find().await else { return };
    // The watch is armed before the guest has its script.
    let mut guest = host.boot().await;
    let ready = guest.until(GuestPhase::Ready).await;
    let booting = guest.probe().await;
    assert_eq!(booting.cloud_init.status, CloudInitStatus::Running);
    assert!(!booting.runner_started && !booting.runner_process);
    the_answer_of_cloud_init_is_kept(&guest).await;
    assert!(ready.reached[&GuestPhase::Preparing] < ready.reached[&GuestPhase::Ready]);

    assert_eq!(guest.shell("stat -c '%U %a' /run/larm/handover").await, "root 700\n");

    let jit = host.github.jit_config(&guest.name(), &["linux"]).unwrap();
    guest.give(&Credential::Jit(jit.clone())).await;
    let mut bells = Vec::new();
    let listening = guest.until(GuestPhase::Listening).await;
    bells.push(lateness(&listening, GuestPhase::Listening));
    let probe = guest.probe().await;
    assert!(probe.runner_started && probe.runner_process);
    let left = guest.shell("ls -A /run/larm/handover /run/larm/unregister 2>/dev/null").await;
    assert!(!left.contains("credential"), "{left}");

    let mut job = JobSpec::new("build", &["Linux"], Duration::from_millis(500));
    "say \"hi\" \\ € \u{1f980}\nand\tmore".clone_into(&mut job.workflow);
    job.steps.push("test \"$GITHUB_ACTIONS\" = true && whoami".to_owned());
    let id = host.github.queue_job(job.clone());
    let busy = guest.until(GuestPhase::Busy).await;
    bells.push(lateness(&busy, GuestPhase::Busy));
    let finished = guest.until(GuestPhase::Finished).await;
    bells.push(lateness(&finished, GuestPhase::Finished));
    bells.sort_by(f64::total_cmp);
    println!("bell: median {:.1} ms", bells[bells.len() / 2]);

    assert_eq!(finished.exit_code, Some(0));
    let pre_job = finished.pre_job.present().unwrap();
    assert_eq!((&pre_job.workflow, &pre_job.repository), (&job.workflow, &job.repository));
    assert_eq!((&*pre_job.workflow_run_id, &pre_job.event), ("1001", &job.event));
    let post_job = finished.post_job.present().unwrap();
    assert_eq!((post_job.status, post_job.status_info.clone()), (PostJobStatus::Normal, None));
    assert!(seconds(&finished, GuestPhase::Listening) < pre_job.timestamp);
    assert!(pre_job.timestamp < post_job.timestamp);
    assert!(post_job.timestamp <= seconds(&finished, GuestPhase::Finished));

    let record = host.github.jobs().into_iter().find(|record| record.id == id).unwrap();
    assert_eq!((record.state, record.runs), (JobState::Succeeded, 1));
    assert_eq!(record.runner, Some(guest.name()));
    assert!(host.github.runners().is_empty());
    let end = guest.probe_at_end().await;
    assert_eq!(end.cloud_init.status, CloudInitStatus::Done);
    assert!(end.runner_started && !end.runner_process);
    assert_not_found_anywhere(&guest, jit.expose_secret()).await;
    let output = guest.exec(logs::print(&logs::NAMES, CAP)).await.stdout;
    assert!(output.len() <= logs::output_cap(&logs::NAMES, CAP));
    let found = logs::parse(&output, CAP);
    let runner = found.iter().find(|log| log.name == "runner.log").unwrap();
    assert!(String::from_utf8_lossy(&runner.text).contains("Running job: build"));

    guest.takes_no_credential(&Credential::Jit(jit)).await;
    assert_eq!(guest.report().await.unwrap(), finished);
    drop(guest);
    host.close().await;
}

/// The host may be done before the guest looks, or begin long after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_with_an_application_that_is_pushed() {
    let Some(host) = Host::find().await else { return };
    for early in [true, false] {
        let mut guest =
            host.boot_with(&UserData { runner: RunnerSource::Pushed, ..UserData::default() }).await;
        if !early {
            guest.until(GuestPhase::Preparing).await;
            guest.shell("sleep 1").await;
            assert_eq!(guest.report().await.unwrap().phase, GuestPhase::Preparing);
        }
        guest.push_application(host.github.application().sha256()).await;
        guest.until(GuestPhase::Ready).await;
        let left = format!("ls -d {} /var/lib/larm/actions-runner.tar", paths::INCOMING);
        assert_eq!(guest.shell(&format!("{left} 2>/dev/null")).await, "");
        assert_eq!(guest.shell("stat -c %U /opt/actions-runner").await, "runner\n");
        guest.give_jit().await;
        guest.until(GuestPhase::Listening).await;
        assert_eq!(guest.flush(false).await, command::FLUSHED);
    }
    let mut guest =
        host.boot_with(&UserData { runner: RunnerSource::Pushed, ..UserData::default() }).await;
    guest.push_application(&"0".repeat(64)).await;
    let failed = guest.until(GuestPhase::Failed).await;
    assert_eq!(failed.detail.as_deref(), Some("the runner application has a wrong checksum"));
    assert_eq!(guest.shell("ls -d /opt/actions-runner 2>/dev/null").await, "");
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_with_a_registration_token() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    let token = host.github.registration_token();
    let config = GitHubRunnerConfig {
        github_path: "acme/web".parse().unwrap(),
        labels: vec!["tokened".to_owned(), "x64".to_owned()],
    };
    let url = format!("{}/acme/web", host.github.url());
    guest.give(&Credential::RegistrationToken { token: token.clone(), url, config }).await;
    guest.until(GuestPhase::Listening).await;
    let runner = host.github.runners().remove(0);
    assert_eq!(runner.name, guest.name());
    assert_eq!(runner.labels, ["self-hosted", "linux", "tokened", "x64"]);
    assert_not_found_anywhere(&guest, token.expose_secret()).await;

    // Removed from inside, as for a runner that is deleted while it is idle.
    assert_eq!(guest.flush(false).await, command::FLUSHED);
    let remove_token = handover::remove_token(&host.github.remove_token()).unwrap();
    guest.push(paths::REMOVE_TOKEN, &remove_token).await;
    let output = guest.exec(command::unregister()).await;
    assert_eq!(output.code, 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(host.github.runners().is_empty());
    drop(guest);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_data_is_valid_and_the_credential_may_come_in_parts() {
    let Some(host) = Host::find().await else { return };
    let mut guest = host.boot().await;
    guest.until(GuestPhase::Ready).await;
    let schema = "cloud-init query userdata > /tmp/u && cloud-init schema --config-file /tmp/u";
    let said = guest.shell(&format!("{schema} 2>&1")).await;
    assert!(said.contains("Valid"), "{said}");

    let jit = host.github.jit_config(&guest.name(), &["linux"]).unwrap();
    let bytes = handover::credential(&Credential::Jit(jit), &guest.name).unwrap();
    let (first, _) = bytes.split_at(bytes.len() / 2);
    guest.push(paths::CREDENTIAL, first).await;
    guest.shell("sleep 0.3").await;
    guest.push(paths::CREDENTIAL, &bytes).await;
    let listening = guest.until(GuestPhase::Listening).await;
    assert_eq!((listening.pre_job, listening.post_job), (Found::Absent, Found::Absent));
    let marks: Vec<Timestamp> = listening.reached.into_values().collect();
    assert!(marks.is_sorted() && marks.len() == 4);
    drop(guest);
    host.close().await;
}
