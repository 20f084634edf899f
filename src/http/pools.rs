//! Pools, and who is in them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::ControlApi;
use super::error::ApiError;
use super::types::ErrorKind;
use super::types::farm::{PoolStatus, Pools};
use crate::farm::FarmView;
use crate::manager::View;
use crate::model::plan::fits;
use crate::model::{Handover, JobState, Phase, Pool, Record, RunnerId};

pub(super) async fn list(State(api): State<ControlApi>) -> Json<Pools> {
    let (farm, view) = (api.farm.view(), api.manager.view());
    let pools = farm.settings.pools.iter().map(|pool| status(pool, &farm, &view)).collect();
    Json(Pools { pools, troubles: troubles(&farm), polled: polled(&farm) })
}

pub(super) async fn show(
    State(api): State<ControlApi>,
    Path(name): Path<String>,
) -> Result<Json<PoolStatus>, ApiError> {
    let farm = api.farm.view();
    let pool = farm.settings.pools.iter().find(|pool| pool.name == name);
    let pool = pool.ok_or_else(|| {
        ApiError::new(ErrorKind::NotFound, format!("there is no pool \"{name}\""))
            .hint("`larm pool list` shows the pools there are")
    })?;
    Ok(Json(status(pool, &farm, &api.manager.view())))
}

fn status(pool: &Arc<Pool>, farm: &FarmView, view: &View) -> PoolStatus {
    let records = || view.runners.values().map(Arc::as_ref).filter(|one| one.phase <= Phase::Busy);
    let mine = |record: &&Record| record.binding.as_ref().is_some_and(|one| one.pool == pool.name);
    let ids = |wanted: &dyn Fn(&Record) -> bool| -> Vec<RunnerId> {
        records().filter(|one| wanted(one)).map(|one| one.id().clone()).collect()
    };
    let unclaimed = |one: &Record| {
        let free = one.binding.is_none() && one.handover == Handover::None;
        free && one.is_of_farm() && one.spec.same_shape(&pool.spec)
    };
    let queued = farm.jobs.values().filter(|job| job.state == JobState::Queued && fits(pool, job));
    PoolStatus {
        name: pool.name.clone(),
        target: pool.target.clone(),
        labels: pool.labels.clone(),
        instance: pool.spec.clone(),
        min_idle: pool.min_idle,
        standby: pool.standby,
        frozen: pool.frozen,
        max: pool.max,
        priority: pool.priority,
        busy: ids(&|one| mine(&one) && one.phase == Phase::Busy),
        listening: ids(&|one| mine(&one) && one.phase == Phase::Listening),
        registering: ids(&|one| mine(&one) && one.phase == Phase::Standby),
        free: ids(&|one| unclaimed(one) && one.phase == Phase::Standby),
        cold: ids(&|one| unclaimed(one) && one.phase == Phase::Standby && one.frost.is_cold()),
        coming: ids(&|one| unclaimed(one) && one.phase < Phase::Standby),
        queued: queued.count(),
    }
}

fn polled(farm: &FarmView) -> bool {
    let wanted = farm.settings.polls.iter().filter(|(name, polls)| {
        let used = farm.settings.pools.iter().any(|pool| pool.target.connection == **name);
        used && polls.every.is_some()
    });
    let polled =
        |name: &String| farm.connections.get(name).is_some_and(|one| one.polled_at.is_some());
    wanted.into_iter().all(|(name, _)| polled(name))
}

fn troubles(farm: &FarmView) -> Vec<String> {
    let of_one = farm.connections.iter().flat_map(|(name, known)| {
        let poll = known.poll_trouble.iter().map(move |error| format!("{name}: {error}"));
        let list = known.list_trouble.values().map(move |error| format!("{name}: {error}"));
        poll.chain(list)
    });
    of_one.collect()
}
