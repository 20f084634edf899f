//! Runners that are removed before their time, or not.

use std::collections::BTreeMap;
use std::time::Duration;

use larm::lxd::{ImageSource, NewInstance};
use larm::manager::{CloudRunnerManager, ManagerError};
use larm::model::{Phase, RunnerId};
use secrecy::SecretString;

use crate::stage::{Lxd, PATIENCE, Place, Stage};
use crate::support::standin::faults::FaultPlan;

const LONG: Duration = Duration::from_secs(300);

pub async fn an_idle_runner_is_deleted_and_leaves_its_metrics(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.idle_runner().await;
    stage.reaches(&id, Phase::Listening).await;
    let metrics = stage.manager().delete_runner(&id, None, false).await.unwrap().unwrap();
    assert!(metrics.installed_timestamp.is_some() && metrics.pre_job.is_none());
    let again = stage.manager().delete_runner(&id, None, false).await.unwrap();
    assert_eq!(again, Some(metrics), "asking twice is no error");
    assert_eq!(stage.metrics_told(&id).await, 1);
    stage.strike().await;
}

pub async fn a_busy_runner_is_deleted_only_by_force(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.busy_runner(LONG).await;
    let busy = stage.becomes(&id, |one| one.phase == Phase::Busy && one.metrics.pre_job.is_some());
    let name = busy.await.name.clone();
    let refused = stage.manager().delete_runner(&id, None, false).await;
    assert!(matches!(refused, Err(ManagerError::Busy(_))), "{refused:?}");
    assert_eq!(stage.record(&id).phase, Phase::Busy);
    let metrics = stage.manager().delete_runner(&id, None, true).await.unwrap().unwrap();
    assert!(metrics.pre_job.is_some());
    assert!(!stage.is_there(&name).await);
    stage.strike().await;
}

pub async fn a_flush_takes_what_is_idle_then_what_is_busy(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let (busy, idle, standby) =
        tokio::join!(stage.busy_runner(LONG), stage.idle_runner(), stage.standby());
    stage.reaches(&busy, Phase::Busy).await;
    stage.reaches(&idle, Phase::Listening).await;
    stage.reaches(&standby, Phase::Standby).await;
    let flushed = stage.manager().flush(None, false).await.unwrap();
    let [(_, ManagerError::Busy(kept))] = flushed.not_removed.as_slice() else {
        panic!("{:?}", flushed.not_removed)
    };
    assert_eq!(kept.id(), &busy);
    let mut names: Vec<_> =
        flushed.metrics.iter().map(|one| one.runner_name.id().clone()).collect();
    let mut expected = vec![idle, standby];
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(stage.record(&busy).phase, Phase::Busy);
    let flushed = stage.manager().flush_runners(None, true).await.unwrap();
    assert_eq!(flushed.len(), 1);
    assert_eq!(flushed[0].runner_name.id(), &busy);
    stage.strike().await;
}

pub async fn a_runner_is_deleted_before_it_is_ready(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.idle_runner().await;
    stage.manager().delete_runner(&id, None, false).await.unwrap().unwrap();
    stage.strike().await;
}

pub async fn what_is_not_there_is_no_error(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = RunnerId::from_bits(7);
    assert_eq!(stage.manager().get_runner(&id).await.unwrap(), None);
    assert_eq!(stage.manager().delete_runner(&id, None, true).await.unwrap(), None);
    assert_eq!(stage.manager().flush_runners(None, true).await.unwrap(), []);
    assert_eq!(stage.manager().cleanup(None).await.unwrap(), []);
    stage.strike().await;
}

pub async fn a_remove_token_unregisters_from_inside(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.idle_runner().await;
    let name = stage.reaches(&id, Phase::Listening).await.name.clone();
    let token = match &stage.lxd {
        Lxd::StandIn(_) => SecretString::from("REMOVE".to_owned()),
        Lxd::Real(real) => real.github.remove_token(),
    };
    stage.manager().delete_runner(&id, Some(token), false).await.unwrap().unwrap();
    match &stage.lxd {
        Lxd::Real(real) => assert_eq!(real.github.runners(), [], "its registration is gone"),
        Lxd::StandIn(standin) => {
            let pushes = standin.requests();
            let pushed = pushes.iter().any(|one| one.path.contains("unregister"));
            assert!(pushed, "the token reaches {name}");
        }
    }
    stage.strike().await;
}

pub async fn cleanup_takes_orphans_and_leaves_strangers(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let busy = stage.busy_runner(LONG).await;
    stage.reaches(&busy, Phase::Busy).await;
    let prefix = stage.options.rules.prefix.to_string();
    let orphan = format!("{prefix}-00000000000a");
    let stranger = format!("{prefix}-00000000000b");
    let keys = [("user.larm.manager", prefix.as_str()), ("user.larm.runner", "00000000000a")];
    make(&stage, &orphan, &keys).await;
    make(&stage, &stranger, &[]).await;
    // Whether cleanup met it or the event of its creation did is not ours to order.
    stage.manager().cleanup(None).await.unwrap();
    assert!(stage.client.instance(&orphan).await.unwrap().is_none(), "the orphan is gone");
    assert!(stage.client.instance(&stranger).await.unwrap().is_some(), "a stranger's is left");
    assert_eq!(stage.record(&busy).phase, Phase::Busy);
    stage.manager().delete_runner(&busy, None, true).await.unwrap().unwrap();
    let operation = stage.client.delete_instance(&stranger).await.unwrap();
    stage.client.wait(&operation, PATIENCE).await.unwrap();
    stage.strike().await;
}

/// `cleanup` once said that nothing was to be done when nobody knew.
pub async fn cleanup_says_when_lxd_does_not_answer(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("only the stand-in is stopped here") };
    lxd.stop_server().unwrap();
    let told = stage.manager().clean_up(None).await;
    assert!(matches!(&told, Err(ManagerError::Lxd { .. })), "{told:?}");
    lxd.start_server().unwrap();
    stage.strike().await;
}

/// An order of a manager that has ended, carried out late, and no event tells of it.
pub async fn cleanup_tells_of_instances_whose_runner_was_gone(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("only the stand-in loses events to order") };
    let id = stage.idle_runner().await;
    stage.manager().delete_runner(&id, None, false).await.unwrap().unwrap();
    let name = stage.record(&id).name.clone();
    lxd.faults().set(FaultPlan { dropped_lifecycle: 1000, ..FaultPlan::default() });
    let prefix = stage.options.rules.prefix.to_string();
    let keys = [("user.larm.manager", prefix.as_str()), ("user.larm.runner", id.as_str())];
    make(&stage, &name.to_string(), &keys).await;
    let removals = stage.manager().clean_up(None).await.unwrap();
    assert_eq!(removals.orphans, std::slice::from_ref(&name));
    assert!(removals.metrics.is_empty() && removals.not_removed.is_empty(), "{removals:?}");
    assert!(!stage.is_there(&name).await);
    lxd.faults().clear();
    stage.strike().await;
}

/// A stopped instance, as someone else or an earlier manager may have left it.
async fn make(stage: &Stage, name: &str, keys: &[(&str, &str)]) {
    let spec = &stage.options.rules.spec;
    let config: BTreeMap<_, _> =
        keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let instance = NewInstance {
        name: name.to_owned(),
        instance_type: spec.instance_type.as_str().to_owned(),
        image: ImageSource::Alias(spec.image.clone()),
        profiles: spec.profiles.clone(),
        config,
        ..NewInstance::default()
    };
    let operation = stage.client.create_instance(&instance).await.unwrap();
    stage.client.wait(&operation, PATIENCE).await.unwrap();
}
