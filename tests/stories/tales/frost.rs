//! Standbys that wait frozen.

use std::time::Duration;

use larm::lxd::{StateChange, StatusCode};
use larm::manager::{CloudRunnerManager, FarmOrder};
use larm::model::plan::Move;
use larm::model::{
    CloudRunnerState, Frost, HealthState, InstanceName, Phase, Purpose, RunnerId, Spec,
};

use crate::stage::{Lxd, PATIENCE, Place, Stage};
use crate::support::standin::faults::FaultPlan;

const JOB: Duration = Duration::from_millis(200);

impl Stage {
    pub(super) async fn order(&self, one: Move) {
        self.manager().carry(vec![FarmOrder::Move(one)]).await.unwrap();
    }

    async fn freeze(&self, runner: &RunnerId) {
        self.order(Move::Freeze { runner: runner.clone() }).await;
    }

    async fn is_frozen(&self, name: &InstanceName) -> bool {
        let instance = self.client.instance(&name.to_string()).await.unwrap().unwrap();
        instance.status_code == StatusCode::FROZEN
    }

    async fn change(&self, name: &InstanceName, change: StateChange) {
        let operation = self.client.change_state(&name.to_string(), change).await.unwrap();
        self.client.wait(&operation, PATIENCE).await.unwrap();
    }

    async fn frozen_standby(&self) -> (RunnerId, InstanceName) {
        let id = self.standby().await;
        let name = self.reaches(&id, Phase::Standby).await.name.clone();
        self.freeze(&id).await;
        self.becomes(&id, |record| record.frost == Frost::Frozen).await;
        assert!(self.is_frozen(&name).await);
        (id, name)
    }

    async fn gets_its_job(&self, id: &RunnerId, name: &InstanceName) {
        self.manager().give(id, self.credential(name)).await.unwrap();
        self.reaches(id, Phase::Listening).await;
        self.give_job(name, JOB);
        assert_eq!(self.reaches_gone(id).await.exit_code, Some(0));
    }
}

pub async fn a_frozen_standby_is_thawed_for_its_credential(place: Place) {
    let stage = Stage::set(place, |options| {
        options.rules.sweep = Duration::from_millis(300);
    })
    .await;
    let (id, name) = stage.frozen_standby().await;
    // Several sweeps find nothing wrong with it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let record = stage.record(&id);
    assert_eq!(
        (record.state, record.health.state()),
        (CloudRunnerState::Active, HealthState::Healthy)
    );
    stage.gets_its_job(&id, &name).await;
    stage.strike().await;
}

/// Whenever a manager ends while it freezes or thaws: the next one goes on, and a standby that was
/// given away gets its credential or is removed.
pub async fn a_manager_goes_on_from_every_frost(place: Place) {
    let mut stage = Stage::set(place, |_| {}).await;
    let id = stage.standby().await;
    let name = stage.reaches(&id, Phase::Standby).await.name.clone();
    for frost in [Frost::Wanted, Frost::Frozen, Frost::Thawing, Frost::None] {
        let one = match frost {
            Frost::Wanted | Frost::Frozen => Move::Freeze { runner: id.clone() },
            Frost::Thawing | Frost::None => Move::Thaw { runner: id.clone() },
        };
        stage.order(one).await;
        // A step may be over before it is looked for.
        let next = match frost {
            Frost::Wanted => Frost::Frozen,
            Frost::Thawing => Frost::None,
            Frost::Frozen | Frost::None => frost,
        };
        stage.becomes(&id, |record| [frost, next].contains(&record.frost)).await;
        stage.stop().await;
        stage.start();
        let ends = matches!(frost, Frost::Thawing | Frost::None);
        let end = if ends { Frost::None } else { Frost::Frozen };
        stage.becomes(&id, |record| record.frost == end).await;
        assert_eq!(stage.is_frozen(&name).await, !ends, "after an end in {frost:?}");
    }
    stage.gets_its_job(&id, &name).await;
    stage.strike().await;
}

pub async fn what_somebody_thaws_is_frozen_again(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let (id, name) = stage.frozen_standby().await;
    let since = stage.record(&id).frost_since;
    stage.change(&name, StateChange::Unfreeze).await;
    stage.becomes(&id, |record| record.frost == Frost::Frozen && record.frost_since > since).await;
    assert!(stage.is_frozen(&name).await);
    stage.gets_its_job(&id, &name).await;
    stage.strike().await;
}

pub async fn what_lxd_does_not_freeze_stays_warm(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("only the stand-in fails to order") };
    let id = stage.standby().await;
    let name = stage.reaches(&id, Phase::Standby).await.name.clone();
    let failing = vec![("Freezing instance".to_owned(), "no freezer".to_owned())];
    lxd.faults().set(FaultPlan { failing, ..FaultPlan::default() });
    stage.freeze(&id).await;
    stage.becomes(&id, |one| one.warm_until.is_some() && one.frost == Frost::None).await;
    lxd.faults().clear();
    assert!(!stage.is_frozen(&name).await);
    stage.gets_its_job(&id, &name).await;
    stage.strike().await;
}

pub async fn a_frozen_standby_is_removed_as_it_is(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let (id, name) = stage.frozen_standby().await;
    stage.manager().delete_runner(&id, None, false).await.unwrap();
    assert!(!stage.is_there(&name).await);
    stage.strike().await;
}

/// LXD does not tell who froze it: it is thawed, and whether it is needed the farm decides anew. What
/// its standbys are shared by is known all the same.
pub async fn a_frozen_standby_outlives_a_lost_store(place: Place) {
    let mut stage = Stage::set(place, |_| {}).await;
    let spec = Spec { share: "web".to_owned(), ..stage.options.rules.spec.clone() };
    stage.order(Move::Create { spec, purpose: Purpose::Spare }).await;
    let id = stage.manager().view().runners.keys().next().unwrap().clone();
    let name = stage.reaches(&id, Phase::Standby).await.name.clone();
    stage.freeze(&id).await;
    stage.becomes(&id, |record| record.frost == Frost::Frozen).await;
    stage.lose_store().await;
    stage.becomes(&id, |_| true).await;
    let record = stage.reaches(&id, Phase::Standby).await;
    assert_eq!((record.frost, record.spec.share.as_str()), (Frost::None, "web"));
    assert!(!stage.is_frozen(&name).await);
    stage.gets_its_job(&id, &name).await;
    stage.strike().await;
}
