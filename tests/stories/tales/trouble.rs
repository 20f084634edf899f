//! What goes wrong in guests, and what others do to instances.

use std::time::Duration;

use jiff::SignedDuration;
use larm::guest::RunnerSource;
use larm::lxd::StateChange;
use larm::manager::{CloudRunnerManager, CreateOrder, ManagerError};
use larm::model::{HealthState, InstanceName, Phase, RunnerId};

use crate::stage::{Lxd, PATIENCE, Place, Stage};
use crate::support::standin::StandInOptions;
use crate::support::standin::guest::GuestPlan;

const LONG: Duration = Duration::from_secs(300);

/// What the next guest of the stand-in does otherwise; a real guest is spoilt by its user-data.
fn plan(stage: &Stage, plan: GuestPlan) {
    if let Lxd::StandIn(standin) = &stage.lxd {
        standin.plan_next([plan]);
    }
}

fn spoil(place: Place, source: RunnerSource) -> impl FnOnce(&mut larm::manager::ManagerOptions) {
    move |options| {
        if place == Place::RealLxd {
            options.runner = source;
        }
    }
}

async fn expect_failure(stage: &Stage, id: &RunnerId, reason: &str) {
    let record = stage.reaches_gone(id).await;
    let failure = record.failure.as_ref().expect("it failed");
    assert!(failure.reason.contains(reason), "{failure:?}");
    assert_eq!(stage.metrics_told(id).await, 1);
}

pub async fn a_boot_that_fails_is_told_with_its_reason(place: Place) {
    let nowhere = RunnerSource::Download {
        url: "http://127.0.0.1:9/runner.tar".to_owned(),
        sha256: "0".repeat(64),
    };
    let stage = Stage::set(place, spoil(place, nowhere)).await;
    plan(&stage, GuestPlan { fail_boot: Some("no download".into()), ..GuestPlan::default() });
    let id = stage.idle_runner().await;
    let waited = stage.manager().wait_for(&id, Phase::Listening, PATIENCE).await;
    assert!(matches!(waited, Err(ManagerError::Failed { .. })), "{waited:?}");
    expect_failure(&stage, &id, "download").await;
    if place == Place::RealLxd {
        let logs = stage.manager().logs(&id).await.unwrap();
        let names: Vec<_> = logs.iter().map(|log| log.name.as_str()).collect();
        // LXD keeps no console of a virtual machine.
        assert!(["console.log", "qemu.log"].iter().any(|log| names.contains(log)), "{names:?}");
        let output = logs.iter().find(|log| log.name == "cloud-init-output.log").unwrap();
        let text = std::fs::read_to_string(&output.path).unwrap();
        assert!(text.contains("larm:"), "the guest's own words are kept: {text}");
    }
    stage.strike().await;
}

pub async fn a_guest_that_is_never_ready_meets_its_deadline(place: Place) {
    // It listens and never answers.
    let silent = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let stage = Stage::set(place, |options| {
        options.rules.deadlines.boot = SignedDuration::from_secs(4);
    })
    .await;
    let stage = match &stage.lxd {
        Lxd::StandIn(_) => stage,
        Lxd::Real(real) => {
            let host = real.github.url().rsplit_once(':').unwrap().0.to_owned();
            let url = format!("{host}:{port}/runner.tar");
            let sha256 = "0".repeat(64);
            stage.strike().await;
            Stage::set(place, |options| {
                options.rules.deadlines.boot = SignedDuration::from_secs(4);
                options.runner = RunnerSource::Download { url, sha256 };
            })
            .await
        }
    };
    plan(&stage, GuestPlan { never_ready: true, ..GuestPlan::default() });
    let id = stage.idle_runner().await;
    expect_failure(&stage, &id, "").await;
    assert!(!stage.phases(&id).await.contains(&Phase::Standby));
    stage.strike().await;
}

pub async fn a_killed_listener_ends_with_its_true_code(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.idle_runner().await;
    let name = stage.reaches(&id, Phase::Listening).await.name.clone();
    let kill = "kill -9 $(pidof -x Runner.Listener || pgrep -x Runner.Listener)";
    stage.in_guest(&name, kill, |guest| assert!(guest.kill_listener())).await;
    let record = stage.reaches_gone(&id).await;
    assert_eq!(record.exit_code, Some(137));
    assert!(stage.phases(&id).await.contains(&Phase::Finished));
    stage.strike().await;
}

pub async fn a_guest_that_powers_itself_off_mid_job_keeps_what_it_told(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.busy_runner(LONG).await;
    let busy = stage.becomes(&id, |one| one.phase == Phase::Busy && one.metrics.pre_job.is_some());
    let name = busy.await.name.clone();
    stage.in_guest(&name, "poweroff -ff", |guest| assert!(guest.power_off())).await;
    expect_failure(&stage, &id, "gone").await;
    let metrics = &stage.record(&id).metrics;
    assert!(metrics.pre_job.is_some() && metrics.post_job.is_none());
    stage.strike().await;
}

/// Takes the instance's mark "ephemeral" away, by another client.
fn keep_when_stopped(stage: &Stage, name: &InstanceName) {
    let url = format!("http://lxd/1.0/instances/{name}?project={}", stage.client.project());
    let output = std::process::Command::new("curl")
        .args(["-sS", "--fail", "-X", "PATCH", "-d", r#"{"ephemeral":false}"#, "--unix-socket"])
        .arg(stage.client.socket())
        .arg(url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn idle(stage: &Stage) -> (RunnerId, InstanceName) {
    let id = stage.idle_runner().await;
    let name = stage.reaches(&id, Phase::Listening).await.name.clone();
    (id, name)
}

async fn change(stage: &Stage, name: &InstanceName, change: StateChange) {
    let operation = stage.client.change_state(&name.to_string(), change).await.unwrap();
    stage.client.wait(&operation, PATIENCE).await.unwrap();
}

pub async fn an_instance_deleted_by_someone_else_is_gone(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let (id, name) = idle(&stage).await;
    change(&stage, &name, StateChange::PULL_THE_PLUG).await;
    expect_failure(&stage, &id, "gone").await;
    stage.strike().await;
}

/// Seen when LXD was down while the guest powered off: it stays, stopped, though ephemeral.
pub async fn an_instance_stopped_by_someone_else_is_gone(place: Place) {
    let stage = Stage::set(place, |options| {
        options.rules.deadlines.trouble_grace = SignedDuration::from_millis(300);
    })
    .await;
    let (id, name) = idle(&stage).await;
    keep_when_stopped(&stage, &name);
    change(&stage, &name, StateChange::PULL_THE_PLUG).await;
    expect_failure(&stage, &id, "stopped").await;
    stage.strike().await;
}

pub async fn an_instance_frozen_by_someone_else_is_removed_after_a_grace(place: Place) {
    let stage = Stage::set(place, |options| {
        options.rules.deadlines.trouble_grace = SignedDuration::from_millis(300);
        options.exec_limit = Duration::from_secs(2);
    })
    .await;
    let (id, name) = idle(&stage).await;
    change(&stage, &name, StateChange::Freeze).await;
    expect_failure(&stage, &id, "frozen").await;
    stage.strike().await;
}

pub async fn a_frozen_moment_is_forgiven(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let (id, name) = idle(&stage).await;
    change(&stage, &name, StateChange::Freeze).await;
    let mut view = stage.manager().subscribe();
    let troubled = |in_trouble: bool| {
        let id = id.clone();
        move |view: &std::sync::Arc<larm::manager::View>| {
            view.runners[&id].trouble_since.is_some() == in_trouble
        }
    };
    tokio::time::timeout(PATIENCE, view.wait_for(troubled(true))).await.unwrap().unwrap();
    change(&stage, &name, StateChange::Unfreeze).await;
    tokio::time::timeout(PATIENCE, view.wait_for(troubled(false))).await.unwrap().unwrap();
    stage.give_job(&name, Duration::from_millis(200));
    assert_eq!(stage.reaches_gone(&id).await.exit_code, Some(0));
    stage.strike().await;
}

/// It is not removed but by force.
async fn expect_unknown_and_kept(stage: &Stage, id: &RunnerId) {
    assert_eq!(stage.manager().cleanup(None).await.unwrap(), []);
    let seen = stage.manager().get_runner(id).await.unwrap().unwrap();
    assert_eq!(seen.health.state(), HealthState::Unknown, "{:?}", seen.health);
    let kept = stage.manager().delete_runner(id, None, false).await;
    assert!(matches!(kept, Err(ManagerError::BusyUnknown { .. })), "{kept:?}");
    assert_eq!(stage.record(id).phase, Phase::Listening);
    stage.manager().delete_runner(id, None, true).await.unwrap().unwrap();
}

pub async fn a_guest_that_does_not_answer_is_unknown_and_kept(place: Place) {
    let stage = Stage::set(place, |options| options.exec_limit = Duration::from_millis(700)).await;
    let (id, name) = idle(&stage).await;
    let mute = "mv /bin/dash /bin/dash.away";
    stage.in_guest(&name, mute, |guest| assert!(guest.hang_exec())).await;
    expect_unknown_and_kept(&stage, &id).await;
    stage.strike().await;
}

/// LXD calls an instance "Error" for a moment, as it may while its guest reboots, and refuses to run
/// anything in it: that says nothing about its job.
pub async fn a_moment_of_error_ends_no_runner(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let (id, name) = idle(&stage).await;
    let guest = stage.guest(&name).expect("only the stand-in breaks down to order");
    assert!(guest.break_down());
    let kept = stage.manager().delete_runner(&id, None, false).await;
    assert!(matches!(kept, Err(ManagerError::BusyUnknown { .. })), "{kept:?}");
    assert!(guest.come_back());
    stage.give_job(&name, Duration::from_millis(200));
    assert_eq!(stage.reaches_gone(&id).await.exit_code, Some(0));
    stage.strike().await;
}

pub async fn a_runner_whose_processes_vanish_is_removed_after_a_grace(place: Place) {
    let stage = Stage::set(place, |options| {
        options.rules.deadlines.process_grace = SignedDuration::from_millis(300);
    })
    .await;
    let (id, name) = idle(&stage).await;
    let guest = stage.guest(&name).expect("only the stand-in's guests do this to order");
    assert!(guest.lose_processes());
    // The sweep notices; the grace begins.
    stage.manager().cleanup(None).await.unwrap();
    expect_failure(&stage, &id, "process is gone").await;
    stage.strike().await;
}

pub async fn a_machine_whose_agent_never_comes_meets_its_deadline(place: Place) {
    let stage = Stage::set(place, |options| {
        options.rules.deadlines.boot = SignedDuration::from_secs(2);
    })
    .await;
    plan(&stage, GuestPlan { no_agent: true, ..GuestPlan::default() });
    let id = stage.idle_runner().await;
    expect_failure(&stage, &id, "booting for longer").await;
    stage.strike().await;
}

pub async fn a_machine_whose_agent_is_lost_is_unknown_and_kept(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let (id, name) = idle(&stage).await;
    assert!(stage.guest(&name).expect("a simulated machine").lose_agent());
    expect_unknown_and_kept(&stage, &id).await;
    stage.strike().await;
}

/// An LXD that ends while it makes an instance leaves a part of one, which starts never, and which it
/// cannot even delete once that was tried.
pub async fn what_was_made_in_part_is_made_anew(place: Place) {
    let standin =
        StandInOptions { create_time: Duration::from_millis(300), ..StandInOptions::default() };
    let stage = Stage::set_with(place, standin, |_| {}).await;
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("only the stand-in ends in a known moment") };
    let restart = async {
        while lxd.instances().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lxd.stop_server().unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        lxd.start_server().unwrap();
    };
    let (order, ()) = tokio::join!(stage.manager().create(CreateOrder::default()), restart);
    let id = order.unwrap();
    let record = stage.reaches(&id, Phase::Standby).await;
    assert_eq!(record.failure, None);
    stage.manager().flush(None, false).await.unwrap();
    stage.strike().await;
}
