//! The runner application on its way from the host into guests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use larm::application::Cached;
use larm::guest::{RunnerSource, paths};
use larm::manager::{CloudRunnerManager, ManagerOptions};
use larm::model::{Application, Phase};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::stage::{Lxd, Place, Stage};
use crate::support::standin::faults::FaultPlan;

type Given = watch::Sender<Option<Arc<Cached>>>;

fn pushed(given: &Given) -> impl FnOnce(&mut ManagerOptions) {
    let application = given.subscribe();
    move |options| {
        options.runner = RunnerSource::Pushed;
        options.application = application;
    }
}

/// The stand-in's application as one of this version, as it is in the cache of a host. Packed for
/// one version, so that both forms are met.
fn cached(dir: &Path, version: &str, packed: bool) -> Arc<Cached> {
    let application = larm::smoke::standin::Application::build().unwrap();
    let path = dir.join(version);
    std::fs::write(&path, application.archive()).unwrap();
    if packed {
        let done = std::process::Command::new("gzip").arg("-n").arg(&path).status().unwrap();
        assert!(done.success());
        std::fs::rename(dir.join(format!("{version}.gz")), &path).unwrap();
    }
    let sum = std::process::Command::new("sha256sum").arg(&path).output().unwrap();
    let sha256 = String::from_utf8(sum.stdout).unwrap().split(' ').next().unwrap().to_owned();
    Arc::new(Cached { version: version.to_owned(), path, sha256 })
}

pub async fn guests_get_the_application_from_the_host(place: Place) {
    let (dir, given) = (TempDir::new().unwrap(), Given::new(None));
    let stage = Stage::set(place, pushed(&given)).await;
    let first = stage.busy_runner(Duration::from_secs(1)).await;
    // The host is still fetching it.
    let waiting = stage.reaches(&first, Phase::Booting).await;
    assert_eq!(waiting.application, Application::Wanted);
    given.send_replace(Some(cached(dir.path(), "2.330.0", true)));
    let record = stage.reaches(&first, Phase::Listening).await;
    let name = record.name.clone();
    assert_eq!(record.application, Application::Pushed);
    let swept = format!("[ ! -e {} ] && touch /root/swept", paths::INCOMING);
    stage.in_guest(&name, &swept, |guest| assert!(guest.file(paths::INCOMING).is_none())).await;
    let record = stage.reaches_gone(&first).await;
    assert_eq!((record.exit_code, &record.failure), (Some(0), &None));
    assert_eq!(record.application_version.as_deref(), Some("2.330.0"));
    // A newer one is followed.
    given.send_replace(Some(cached(dir.path(), "2.331.0", false)));
    let second = stage.idle_runner().await;
    let told = |record: &larm::model::Record| record.application_version.is_some();
    let record = stage.becomes(&second, told).await;
    assert_eq!(record.application_version.as_deref(), Some("2.331.0"));
    stage.reaches(&second, Phase::Listening).await;
    stage.manager().flush(None, true).await.unwrap();
    stage.reaches_gone(&second).await;
    stage.strike().await;
}

pub async fn a_damaged_application_is_told_and_never_run(place: Place) {
    let (dir, given) = (TempDir::new().unwrap(), Given::new(None));
    let good = cached(dir.path(), "2.330.0", false);
    given.send_replace(Some(Arc::new(Cached { sha256: "0".repeat(64), ..(*good).clone() })));
    let stage = Stage::set(place, pushed(&given)).await;
    let id = stage.idle_runner().await;
    let record = stage.reaches_gone(&id).await;
    let failure = record.failure.as_ref().unwrap();
    assert!(failure.reason.contains("wrong checksum"), "{failure:?}");
    assert!(!stage.phases(&id).await.contains(&Phase::Standby));
    stage.strike().await;
}

/// One is removed while it waits; another outlives the manager that it waited with.
pub async fn a_wait_for_the_application_holds_up_nothing(place: Place) {
    let (dir, given) = (TempDir::new().unwrap(), Given::new(None));
    let mut stage = Stage::set(place, pushed(&given)).await;
    let (removed, kept) = (stage.standby().await, stage.standby().await);
    for id in [&removed, &kept] {
        stage.reaches(id, Phase::Booting).await;
    }
    stage.manager().delete_runner(&removed, None, false).await.unwrap();
    stage.reaches_gone(&removed).await;
    stage.stop().await;
    stage.start();
    given.send_replace(Some(cached(dir.path(), "2.330.0", true)));
    stage.reaches(&kept, Phase::Standby).await;
    stage.manager().flush(None, false).await.unwrap();
    stage.reaches_gone(&kept).await;
    stage.strike().await;
}

/// On the stand-in: LXD refuses and loses answers while twenty guests wait.
pub async fn pushes_are_repeated_until_they_arrive(place: Place) {
    let (dir, given) = (TempDir::new().unwrap(), Given::new(None));
    let stage = Stage::set(place, |options| {
        pushed(&given)(options);
        // Watches are lost too.
        options.rules.sweep = Duration::from_secs(1);
        options.exec_limit = Duration::from_secs(2);
    })
    .await;
    let Lxd::StandIn(standin) = &stage.lxd else { return stage.strike().await };
    let ids = join_all((0..20).map(|_| stage.standby())).await;
    join_all(ids.iter().map(|id| stage.reaches(id, Phase::Booting))).await;
    standin.faults().set(FaultPlan { errors: 200, lost_answers: 100, ..FaultPlan::default() });
    given.send_replace(Some(cached(dir.path(), "2.330.0", false)));
    join_all(ids.iter().map(|id| stage.reaches(id, Phase::Standby))).await;
    standin.faults().clear();
    for id in &ids {
        assert_eq!(stage.record(id).application, Application::Pushed);
    }
    stage.manager().flush(None, false).await.unwrap();
    join_all(ids.iter().map(|id| stage.reaches_gone(id))).await;
    stage.strike().await;
}
