//! Faults to order, and hostile guests.

use std::time::Duration;

use larm::guest::{command, report};
use larm::lxd::{ErrorKind, StateChange};
use larm::model::GuestPhase;

use crate::support::standin::StandInOptions;
use crate::support::standin::guest::GuestPlan;
use crate::{CAP, LIMIT, exec, launch, runner, started, watch};

#[tokio::test]
async fn calls_fail_as_often_as_ordered_and_repeatably() {
    let mut counts = Vec::new();
    for _ in 0..2 {
        let (standin, client) = started(StandInOptions { seed: 7, ..StandInOptions::default() });
        standin.faults().change(|plan| plan.errors = 300);
        let mut failed = 0;
        for _ in 0..200 {
            failed += usize::from(client.instances().await.is_err());
        }
        standin.faults().clear();
        assert!(client.instances().await.is_ok());
        counts.push(failed);
    }
    assert!(counts.windows(2).all(|pair| pair.first() == pair.last()), "{counts:?}");
    assert!(counts.iter().all(|failed| (30..90).contains(failed)), "{counts:?}");
}

#[tokio::test]
async fn operations_can_be_endless() {
    let (standin, client) = started(StandInOptions::default());
    standin.faults().change(|plan| plan.endless.push("Starting instance".to_owned()));
    let created = client.create_instance(&runner("r1", "container")).await.unwrap();
    client.wait(&created, LIMIT).await.unwrap();
    let starting = client.change_state("r1", StateChange::Start).await.unwrap();
    let limit = Duration::from_millis(100);
    let error = client.wait(&starting, limit).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TimedOut { .. }), "{error:?}");
    standin.faults().clear();
    launch(&client, "r2", "container").await;
}

#[tokio::test]
async fn a_guest_can_say_anything() {
    let (standin, client) = started(StandInOptions::default());
    launch(&client, "r1", "container").await;
    let guest = standin.guest("r1");
    assert!(guest.reaches(GuestPhase::Ready, LIMIT).await);
    guest.write_report_bytes(vec![0xff; 1 << 20]);
    let ran = client.run("r1", &exec(command::watch(99)), CAP, LIMIT).await.unwrap();
    assert!(ran.truncated && report::parse(&ran.stdout).is_err());
    guest.clear_report_bytes();
    guest.storm(true);
    for _ in 0..50 {
        assert_eq!(watch(&client, "r1", 99).await.phase, GuestPhase::Ready);
    }
    guest.storm(false);
    guest.hang_exec();
    let limit = Duration::from_millis(50);
    assert!(client.run("r1", &exec(command::report()), CAP, limit).await.is_err());
}

#[tokio::test]
async fn plans_wait_for_instances_that_are_to_come() {
    let (standin, client) = started(StandInOptions::default());
    let doomed = GuestPlan { fail_boot: Some("doomed".into()), ..GuestPlan::default() };
    standin.plan_next([GuestPlan::default(), doomed]);
    launch(&client, "r1", "container").await;
    launch(&client, "r2", "container").await;
    assert!(standin.guest("r1").reaches(GuestPhase::Ready, LIMIT).await);
    assert!(standin.guest("r2").reaches(GuestPhase::Failed, LIMIT).await);
    assert_eq!(standin.guest("r1").phase(), Some(GuestPhase::Ready));
}

#[tokio::test]
async fn a_paused_guest_makes_no_step() {
    let options = StandInOptions { boot_time: Duration::from_millis(100), ..Default::default() };
    let (standin, client) = started(options);
    launch(&client, "r1", "container").await;
    let guest = standin.guest("r1");
    assert!(guest.reaches(GuestPhase::Preparing, LIMIT).await);
    assert!(guest.freeze());
    assert!(!guest.reaches(GuestPhase::Ready, Duration::from_millis(200)).await);
    let refused = client.run("r1", &exec(command::report()), CAP, LIMIT).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Frozen { .. }), "{refused:?}");
    assert!(guest.unfreeze());
    assert!(guest.reaches(GuestPhase::Ready, LIMIT).await);
    assert!(guest.stop() && !guest.exists());
}
