//! The whole life of a runner in a container, and what can end it early.

use std::time::Duration;

use larm::guest::{command, handover, probe};
use larm::lxd::{ErrorKind, Event, EventHub, Exec, FileOptions, NewStoragePool, StateChange};
use larm::model::{CloudInitStatus, Found, GuestPhase};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::standin::guest::GuestPlan;
use crate::support::standin::instance::Power;
use crate::support::standin::{Shape, StandInOptions};
use crate::{CAP, LIMIT, exec, hand_over, launch, runner, started, watch};

#[tokio::test]
async fn a_runner_lives_and_ends() {
    for shape in [Shape::Lxd50, Shape::Newer] {
        let (standin, client) = started(StandInOptions { shape, ..StandInOptions::default() });
        launch(&client, "r1", "container").await;
        let mut seen = watch(&client, "r1", 0).await;
        while seen.phase < GuestPhase::Ready {
            seen = watch(&client, "r1", seen.seq).await;
        }
        hand_over(&client, "r1").await;
        let guest = standin.guest("r1");
        assert!(guest.reaches(GuestPhase::Listening, LIMIT).await);
        assert!(guest.credential().unwrap().starts_with(b"larm-credential 1\n"));
        assert!(client.read_file("r1", handover::CREDENTIAL, CAP).await.unwrap().is_none());
        guest.take_job(Duration::from_millis(30));
        while seen.phase < GuestPhase::Finished {
            seen = watch(&client, "r1", seen.seq).await;
        }
        assert_eq!(seen.exit_code, Some(0));
        assert!(matches!(seen.pre_job, Found::Present(_)) && guest.jobs() == 1);
        assert!(matches!(seen.post_job, Found::Present(_)));
        let ran = client.run("r1", &exec(command::probe()), CAP, LIMIT).await.unwrap();
        let reading = probe::parse(&ran.stdout).unwrap();
        assert_eq!(reading.cloud_init.status, CloudInitStatus::Done);
        assert!(reading.runner_started && !reading.runner_process);
        assert_eq!(standin.recorded_outputs(), 0);
        let stopped = client.change_state("r1", StateChange::PULL_THE_PLUG).await.unwrap();
        client.wait(&stopped, LIMIT).await.unwrap();
        assert!(standin.instances().is_empty());
    }
}

#[tokio::test]
async fn flush_spares_a_job_unless_told_otherwise() {
    let (standin, client) = started(StandInOptions::default());
    launch(&client, "r1", "container").await;
    let guest = standin.guest("r1");
    guest.take_job(LIMIT);
    assert!(guest.reaches(GuestPhase::Ready, LIMIT).await);
    hand_over(&client, "r1").await;
    assert!(guest.reaches(GuestPhase::Busy, LIMIT).await);
    let idle = client.run("r1", &exec(command::flush(false)), CAP, LIMIT).await.unwrap();
    assert_eq!((idle.code, guest.phase()), (command::BUSY, Some(GuestPhase::Busy)));
    let token = b"larm-remove-token 1\ntoken x\nend\n".to_vec();
    client.push_file("r1", handover::REMOVE_TOKEN, token, FileOptions::PRIVATE).await.unwrap();
    let removed = client.run("r1", &exec(command::unregister()), CAP, LIMIT).await.unwrap();
    assert!(removed.code == 0 && guest.unregistered());
    let busy = client.run("r1", &exec(command::flush(true)), CAP, LIMIT).await.unwrap();
    assert_eq!((busy.code, guest.phase()), (command::FLUSHED, Some(GuestPhase::Finished)));
}

#[tokio::test]
async fn a_boot_that_fails_says_why() {
    let (standin, client) = started(StandInOptions::default());
    let created = client.create_instance(&runner("r1", "container")).await.unwrap();
    client.wait(&created, LIMIT).await.unwrap();
    standin.guest("r1").fail_boot("no disk");
    let booted = client.change_state("r1", StateChange::Start).await.unwrap();
    client.wait(&booted, LIMIT).await.unwrap();
    let seen = watch(&client, "r1", 1).await;
    assert_eq!((seen.phase, seen.detail.as_deref()), (GuestPhase::Failed, Some("no disk")));
    let ran = client.run("r1", &exec(command::probe()), CAP, LIMIT).await.unwrap();
    assert_eq!(probe::parse(&ran.stdout).unwrap().cloud_init.status, CloudInitStatus::Error);
}

#[tokio::test]
async fn events_tell_of_an_end_in_lxds_order() {
    let (standin, client) = started(StandInOptions::default());
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let hub = EventHub::start(&client, &tracker, stop.clone());
    let mut events = hub.subscribe();
    hub.connected().await;
    launch(&client, "r1", "container").await;
    standin.guest("r1").power_off();
    assert_eq!(
        actions(&mut events, 4).await,
        ["instance-created", "instance-started", "instance-shutdown", "instance-deleted"]
    );
    launch(&client, "r2", "container").await;
    let stopped = client.change_state("r2", StateChange::PULL_THE_PLUG).await.unwrap();
    client.wait(&stopped, LIMIT).await.unwrap();
    assert_eq!(
        actions(&mut events, 4).await,
        ["instance-created", "instance-started", "instance-deleted", "instance-stopped"]
    );
    standin.disconnect_events();
    let reconnected =
        async { while !matches!(events.next().await, Some(Event::Connected) | None) {} };
    tokio::time::timeout(LIMIT, reconnected).await.unwrap();
    stop.cancel();
    tracker.close();
    tracker.wait().await;
}

async fn actions(events: &mut larm::lxd::Events, count: usize) -> Vec<String> {
    let mut actions = Vec::new();
    while actions.len() < count {
        match tokio::time::timeout(LIMIT, events.next()).await.unwrap() {
            Some(Event::Lifecycle(event)) => actions.push(event.action),
            Some(_) => {}
            None => break,
        }
    }
    actions
}

#[tokio::test]
async fn guests_outlive_the_server() {
    let (standin, client) = started(StandInOptions::default());
    launch(&client, "r1", "container").await;
    launch(&client, "r2", "container").await;
    let guest = standin.guest("r1");
    assert!(guest.reaches(GuestPhase::Ready, LIMIT).await);
    let waiting = client.exec_recorded("r1", &exec(command::watch(99))).await.unwrap();
    standin.stop_server().unwrap();
    assert!(client.server().await.is_err());
    let gone = standin.guest("r2");
    gone.power_off();
    assert!(gone.turns(Power::Stopped, LIMIT).await);
    standin.start_server().unwrap();
    // An ephemeral guest that went down meanwhile is left behind, not deleted.
    assert_eq!(gone.power(), Some(Power::Stopped));
    let lost = client.wait(&waiting, LIMIT).await.unwrap_err();
    assert_eq!(*lost.kind(), ErrorKind::OperationLost);
    assert_eq!(watch(&client, "r1", 1).await.phase, GuestPhase::Ready);
}

#[tokio::test]
async fn a_command_that_fails_or_takes_too_long_leaves_no_output() {
    let (standin, client) = started(StandInOptions::default());
    standin.plan_next([GuestPlan { no_agent: true, ..GuestPlan::default() }]);
    launch(&client, "vm", "virtual-machine").await;
    let failed = client.run("vm", &exec(command::report()), CAP, LIMIT).await.unwrap_err();
    assert!(matches!(failed.kind(), ErrorKind::AgentNotRunning { .. }), "{failed}");
    assert_eq!(standin.recorded_outputs(), 0);
    launch(&client, "slow", "container").await;
    let limit = Duration::from_millis(200);
    let late = client.run("slow", &Exec::new(["sleep", "60"]), CAP, limit).await.unwrap_err();
    assert_eq!(*late.kind(), ErrorKind::TimedOut { limit });
    assert_eq!(standin.recorded_outputs(), 0);
}

#[tokio::test]
async fn what_newer_servers_do_in_the_background_is_waited_for() {
    let options = StandInOptions { shape: Shape::Newer, ..StandInOptions::default() };
    let (_standin, client) = started(options);
    let pool = NewStoragePool {
        name: "more".to_owned(),
        driver: "dir".to_owned(),
        ..NewStoragePool::default()
    };
    client.create_storage_pool(&pool).await.unwrap();
    assert!(client.storage_pool("more").await.unwrap().is_some());
    let again = client.create_storage_pool(&pool).await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::AlreadyExists { .. }), "{again}");
}
