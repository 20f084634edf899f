//! Managers that end at any point, and the ones that come after them.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use larm::manager::{CloudRunnerManager, CreateOrder, View};
use larm::model::{Phase, PostJobStatus};

use crate::stage::{Place, Stage};

const JOB: Duration = Duration::from_secs(3);

/// A runner whose manager ends in this phase is adopted or undone by the next.
pub async fn a_manager_goes_on_from_every_phase(place: Place) {
    for phase in [
        Phase::Planned,
        Phase::Creating,
        Phase::Booting,
        Phase::Standby,
        Phase::Listening,
        Phase::Busy,
        Phase::Finished,
        Phase::Deleting,
    ] {
        let mut stage = Stage::set(place, |options| {
            options.rules.deadlines.register = SignedDuration::from_secs(5);
        })
        .await;
        let name = stage.manager().new_name();
        let id = name.id().clone();
        let credential = Some(stage.credential(&name));
        let order = CreateOrder { name: Some(name.clone()), credential, spec: None };
        let manager = stage.manager().clone();
        let mut view = manager.subscribe();
        let until = |phase: Phase| {
            let id = id.clone();
            move |view: &Arc<View>| view.runners.get(&id).is_some_and(|one| one.phase >= phase)
        };
        let arrived = async {
            if phase >= Phase::Busy {
                view.wait_for(until(Phase::Listening)).await.unwrap();
                stage.give_job(&name, JOB);
            }
            view.wait_for(until(phase)).await.unwrap();
        };
        // Ends the moment that the phase is recorded, whatever else is under way.
        tokio::select! {
            () = arrived => {}
            never = async { tokio::join!(manager.create(order), std::future::pending::<()>()) } => drop(never),
        }
        drop(manager);
        stage.stop().await;
        stage.start();
        let mut view = stage.manager().subscribe();
        view.wait_for(until(Phase::Listening)).await.unwrap();
        if stage.record(&id).phase == Phase::Listening {
            stage.give_job(&name, JOB);
        }
        let record = stage.reaches_gone(&id).await;
        assert_eq!(stage.metrics_told(&id).await, 1, "after an end in {phase}");
        if (Phase::Busy..=Phase::Deleting).contains(&phase) {
            let post_job = record.metrics.post_job.as_ref();
            assert_eq!(post_job.map(|one| one.status), Some(PostJobStatus::Normal), "{phase}");
            assert_eq!(record.exit_code, Some(0), "after an end in {phase}");
        }
        stage.strike().await;
    }
}

pub async fn a_lost_store_is_rebuilt_from_lxd(place: Place) {
    let mut stage = Stage::set(place, |_| {}).await;
    let busy = stage.busy_runner(JOB).await;
    let idle = stage.idle_runner().await;
    let standby = stage.standby().await;
    stage.reaches(&idle, Phase::Listening).await;
    stage.reaches(&standby, Phase::Standby).await;
    stage.reaches(&busy, Phase::Busy).await;
    stage.lose_store().await;
    let mut view = stage.manager().subscribe();
    view.wait_for(|view| view.runners.len() == 3).await.unwrap();
    stage.reaches(&idle, Phase::Listening).await;
    stage.reaches(&standby, Phase::Standby).await;
    let record = stage.reaches_gone(&busy).await;
    assert_eq!(record.exit_code, Some(0), "its job went on");
    assert!(record.metrics.pre_job.is_some() && record.metrics.post_job.is_some());
    let removed = stage.manager().flush_runners(None, false).await.unwrap();
    assert_eq!(removed.len(), 2);
    stage.strike().await;
}
