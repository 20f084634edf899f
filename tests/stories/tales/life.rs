//! Lives that go as they should.

use std::time::Duration;

use larm::guest::Credential;
use larm::model::{GitHubRunnerConfig, Phase, PostJobStatus};
use secrecy::{ExposeSecret, SecretString};

use crate::stage::{Lxd, Place, Stage};
use crate::support::standin::StandInOptions;
use crate::support::standin::guest::GuestPlan;

const WHOLE_LIFE: [Phase; 9] = [
    Phase::Planned,
    Phase::Creating,
    Phase::Booting,
    Phase::Standby,
    Phase::Listening,
    Phase::Busy,
    Phase::Finished,
    Phase::Deleting,
    Phase::Gone,
];

pub async fn a_runner_lives_its_whole_life(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.busy_runner(Duration::from_millis(1500)).await;
    let name = stage.record(&id).name.clone();
    stage.reaches(&id, Phase::Booting).await;
    let instance = stage.client.instance(&name.to_string()).await.unwrap().unwrap();
    assert!(instance.ephemeral);
    assert_eq!(instance.config["boot.autostart"], "false");
    assert_eq!(instance.config["user.larm.runner"], id.as_str());
    expect_no_secret(&stage, &name, &format!("{:?}", instance.config));
    // The hook's metrics come with a bell of their own, or with the phase's.
    stage.becomes(&id, |one| one.phase == Phase::Busy && one.metrics.pre_job.is_some()).await;
    let record = stage.reaches_gone(&id).await;
    assert_eq!(stage.phases(&id).await, WHOLE_LIFE);
    assert_eq!(stage.metrics_told(&id).await, 1);
    assert_eq!((record.exit_code, &record.failure), (Some(0), &None));
    let metrics = &record.metrics;
    let pre_job = metrics.pre_job.as_ref().unwrap();
    let post_job = metrics.post_job.as_ref().unwrap();
    assert!(!pre_job.workflow.is_empty() && pre_job.repository.contains('/'));
    assert_eq!(post_job.status, PostJobStatus::Normal);
    assert!(post_job.timestamp >= pre_job.timestamp);
    assert!(metrics.installed_timestamp >= metrics.installation_start_timestamp);
    assert!(!stage.is_there(&name).await);
    let journal = format!("{:?}", stage.journal(&id).await);
    expect_no_secret(&stage, &name, &journal);
    expect_no_secret(&stage, &name, &serde_json::to_string(&*record).unwrap());
    stage.strike().await;
}

fn expect_no_secret(stage: &Stage, name: &larm::model::InstanceName, text: &str) {
    let Credential::Jit(secret) = stage.credential(name) else { panic!() };
    let head: String = secret.expose_secret().chars().take(40).collect();
    assert!(!text.contains(&head), "the credential is in {text}");
}

pub async fn a_standby_gets_its_credential_late(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let id = stage.standby().await;
    let standby = stage.reaches(&id, Phase::Standby).await;
    let name = standby.name.clone();
    stage.manager().give(&id, stage.credential(&name)).await.unwrap();
    let again = stage.manager().give(&id, Credential::Jit("other".to_owned().into())).await;
    assert!(again.is_err(), "a runner takes one credential");
    stage.reaches(&id, Phase::Listening).await;
    stage.give_job(&name, Duration::from_millis(300));
    let record = stage.reaches_gone(&id).await;
    assert_eq!(record.exit_code, Some(0));
    assert!(record.metrics.post_job.is_some());
    stage.strike().await;
}

pub async fn a_registration_token_registers_too(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let name = stage.manager().new_name();
    let (token, url) = match &stage.lxd {
        Lxd::StandIn(_) => (SecretString::from("AABB".to_owned()), "https://github.com/a/b".into()),
        Lxd::Real(real) => {
            (real.github.registration_token(), format!("{}/larm/smoke", real.github.url()))
        }
    };
    let config = GitHubRunnerConfig {
        github_path: "larm/smoke".parse().unwrap(),
        labels: vec![name.to_string()],
    };
    let credential = Some(Credential::RegistrationToken { token, url, config });
    let order = larm::manager::CreateOrder { name: Some(name.clone()), credential, spec: None };
    let id = stage.manager().create(order).await.unwrap();
    stage.reaches(&id, Phase::Listening).await;
    stage.give_job(&name, Duration::from_millis(300));
    assert_eq!(stage.reaches_gone(&id).await.exit_code, Some(0));
    stage.strike().await;
}

/// A runner was removed for this once: its guest had taken the credential, and LXD, about to set
/// the file's owner, said that the file is not there.
pub async fn a_hasty_guest_may_take_its_credential(place: Place) {
    // Long enough for a removal to come before the job.
    let register_time = Duration::from_millis(400);
    let options = StandInOptions { register_time, ..StandInOptions::default() };
    let stage = Stage::set_with(place, options, |_| {}).await;
    let Lxd::StandIn(standin) = &stage.lxd else { panic!("only the stand-in orders haste") };
    standin.plan_next([GuestPlan { hasty: true, ..GuestPlan::default() }]);
    let id = stage.busy_runner(Duration::from_millis(200)).await;
    let record = stage.reaches_gone(&id).await;
    assert_eq!((record.exit_code, &record.failure), (Some(0), &None));
    stage.strike().await;
}
