//! What is kept of runners and what is not, and instances that are held for inspection.

use std::time::Duration;

use jiff::SignedDuration;
use larm::manager::{CloudRunnerManager, ManagerError};
use larm::model::{Phase, RunnerId};

use crate::stage::{Lxd, Place, Stage};
use crate::support::standin::guest::GuestPlan;

/// Neither its guest nor LXD is asked for a log, so nothing that was asked could have delayed it.
pub async fn a_runner_that_ends_well_is_asked_for_no_logs(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("only the stand-in tells what it is asked") };
    let done = stage.busy_runner(Duration::from_millis(200)).await;
    let idle = stage.idle_runner().await;
    stage.reaches(&idle, Phase::Listening).await;
    stage.manager().delete_runner(&idle, None, false).await.unwrap().unwrap();
    stage.reaches_gone(&done).await;
    for id in [&done, &idle] {
        let name = stage.record(id).name.clone();
        assert!(!stage.guest(&name).unwrap().asked_for_logs());
        assert_eq!(stage.manager().logs(id).await.unwrap(), [], "{:#?}", stage.record(id));
    }
    let of_logs = |path: &str| path.contains("/console") || path.contains("/logs/qemu.log");
    let asked = lxd.requests().into_iter().filter(|one| of_logs(&one.path)).count();
    assert_eq!(asked, 0);
    // The counter-proof: one that is killed is asked.
    let killed = stage.busy_runner(Duration::from_mins(5)).await;
    stage.reaches(&killed, Phase::Busy).await;
    stage.manager().delete_runner(&killed, None, true).await.unwrap().unwrap();
    assert!(stage.guest(&stage.record(&killed).name).unwrap().asked_for_logs());
    stage.strike().await;
}

/// A runner that failed at boot, once it is held.
async fn held(stage: &Stage) -> RunnerId {
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("only the stand-in fails to order") };
    lxd.plan_next([GuestPlan { fail_boot: Some("no disk".into()), ..GuestPlan::default() }]);
    let id = stage.idle_runner().await;
    stage.becomes(&id, |record| record.is_held(larm::clock::now())).await;
    id
}

pub async fn a_failed_runner_is_held_over_a_restart(place: Place) {
    let hour = Some(SignedDuration::from_hours(1));
    let mut stage = Stage::set(place, |options| options.rules.deadlines.keep_failed = hour).await;
    let id = held(&stage).await;
    let until = stage.record(&id).held_until();
    stage.stop().await;
    stage.start();
    let removals = stage.manager().clean_up(None).await.unwrap();
    let [(name, ManagerError::Held { .. })] = removals.not_removed.as_slice() else {
        panic!("{removals:?}")
    };
    assert_eq!(name.id(), &id, "cleanup leaves it, and says so");
    let flushed = stage.manager().flush(None, false).await.unwrap();
    assert!(matches!(flushed.not_removed[..], [(_, ManagerError::Held { .. })]), "{flushed:?}");
    assert_eq!(stage.record(&id).held_until(), until);
    assert!(stage.is_there(&stage.record(&id).name).await);
    let logs = stage.manager().logs(&id).await.unwrap();
    let why = logs.iter().find(|log| log.name == "why.txt").unwrap();
    assert!(std::fs::read_to_string(&why.path).unwrap().contains("no disk"));
    assert_eq!(stage.manager().flush_runners(None, true).await.unwrap().len(), 1);
    stage.strike().await;
}

pub async fn a_hold_ends_with_its_time_or_with_whoever_deletes(place: Place) {
    let hour = Some(SignedDuration::from_hours(1));
    let stage = Stage::set(place, |options| options.rules.deadlines.keep_failed = hour).await;
    // No more than two are held without being asked.
    let (by_time, by_hand) = (held(&stage).await, held(&stage).await);
    let soon = Some(SignedDuration::from_millis(300));
    stage.manager().hold(&by_time, soon).await.unwrap();
    stage.reaches_gone(&by_time).await;
    let by_word = held(&stage).await;
    stage.manager().hold(&by_word, None).await.unwrap();
    stage.reaches_gone(&by_word).await;
    let metrics = stage.manager().delete_runner(&by_hand, None, false).await.unwrap();
    assert!(metrics.is_some());
    let gone = stage.manager().hold(&by_hand, soon).await;
    assert!(matches!(gone, Err(ManagerError::Refused { .. })), "{gone:?}");
    stage.strike().await;
}
