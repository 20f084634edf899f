//! Many runners at once, and everything going wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use larm::manager::{CreateOrder, ManagerOptions, OperationLimits, Parallel};
use larm::model::plan::Move;
use larm::model::{InstanceName, Phase, Purpose, Record, RunnerId};
use tokio::time::{Instant, timeout};

use crate::stage::{Lxd, PATIENCE, Place, Stage};
use crate::support::standin::faults::FaultPlan;
use crate::support::standin::{StandIn, StandInOptions};

/// How many live on the stand-in at once.
const MANY: usize = 200;
/// How many are ordered at once of a real LXD, which shares this machine.
const REAL: usize = 20;
/// How long everything together may take here; nothing waits for it.
const ALL: Duration = Duration::from_secs(400);

/// Two hundred lives while nothing can be relied on.
pub async fn two_hundred_live_through_every_fault(place: Place) {
    let standin = StandInOptions {
        auto_job: Some(Duration::from_millis(30)),
        seed: 20,
        ..StandInOptions::default()
    };
    let stage = Stage::set_with(place, standin, impatient).await;
    let Lxd::StandIn(lxd) = &stage.lxd else { panic!("faults are ordered of the stand-in only") };
    lxd.faults().set(everything());
    let begin = Instant::now();
    let names: Vec<_> = (0..MANY).map(|_| stage.manager().new_name()).collect();
    let orders = join_all(names.iter().map(|name| order(&stage, name)));
    let ((), ids) = tokio::join!(trouble(&stage, lxd), orders);
    let ids: Vec<RunnerId> = ids.into_iter().flatten().collect();
    let took = begin.elapsed();
    println!("{place:?}: all ordered after {took:.1?}, {} made", ids.len());
    let records = all_gone(&stage).await;
    println!("{place:?}: {}", told(&records, begin.elapsed(), lxd));
    assert_eq!(records.len(), MANY, "each order has its record");
    for record in records.values() {
        let name = record.name.to_string();
        let listened = record.marks.0.contains_key(&Phase::Listening);
        let jobs = lxd.jobs_of(&name);
        assert!(jobs <= 1, "{name} ran {jobs} jobs");
        assert!(!listened || jobs == 1, "{name} listened and ran no job");
        assert_eq!(stage.metrics_told(record.id()).await, 1, "{name}");
    }
    let well = records.values().filter(|record| record.failure.is_none()).count();
    assert!(well > MANY * 9 / 10, "only {well} did well");
    lxd.faults().clear();
    assert_eq!(lxd.instances(), [], "nothing is left");
    stage.strike().await;
}

/// Waits for nothing long.
fn impatient(options: &mut ManagerOptions) {
    let limit = Duration::from_secs(1);
    options.parallel = Parallel::all(16);
    options.exec_limit = limit;
    options.limits = OperationLimits { create: limit, start: limit, stop: limit, delete: limit };
    options.rules.sweep = Duration::from_secs(3);
}

/// All that can go wrong at once.
fn everything() -> FaultPlan {
    FaultPlan {
        latency: Duration::ZERO..Duration::from_millis(20),
        errors: 50,
        lost_answers: 10,
        dropped_lifecycle: 100,
        dropped_operations: 30,
        endless_operations: 10,
        ..FaultPlan::default()
    }
}

/// In the middle of it the event stream is cut, and LXD is restarted.
async fn trouble(stage: &Stage, lxd: &StandIn) {
    arrive(stage, Phase::Listening, MANY / 10).await;
    lxd.disconnect_events();
    arrive(stage, Phase::Busy, MANY / 4).await;
    lxd.stop_server().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    lxd.start_server().unwrap();
}

/// Waits until so many have come as far as `phase`, whatever became of them.
async fn arrive(stage: &Stage, phase: Phase, count: usize) {
    let mut view = stage.manager().subscribe();
    let enough = view
        .wait_for(|view| view.runners.values().filter(|one| one.phase >= phase).count() >= count);
    timeout(ALL, enough).await.unwrap().unwrap();
}

async fn order(stage: &Stage, name: &InstanceName) -> Option<RunnerId> {
    let credential = Some(stage.credential(name));
    let order = CreateOrder { name: Some(name.clone()), credential, spec: None };
    let made = stage.manager().create(order).await;
    made.inspect_err(|error| println!("{name}: {error}")).ok()
}

async fn all_gone(stage: &Stage) -> BTreeMap<RunnerId, std::sync::Arc<Record>> {
    let mut view = stage.manager().subscribe();
    let gone = view.wait_for(|view| view.runners.values().all(|one| one.phase == Phase::Gone));
    if timeout(ALL, gone).await.is_err() {
        let view = stage.manager().view();
        let left: Vec<_> =
            view.runners.values().filter(|record| record.phase != Phase::Gone).collect();
        panic!("{} are not gone: {:#?}", left.len(), left.first());
    }
    stage.manager().view().runners.clone()
}

fn told(
    records: &BTreeMap<RunnerId, std::sync::Arc<Record>>,
    took: Duration,
    lxd: &StandIn,
) -> String {
    let count = |wanted: fn(&Record) -> bool| records.values().filter(|one| wanted(one)).count();
    let mut reasons = BTreeMap::<&str, usize>::new();
    for failure in records.values().filter_map(|record| record.failure.as_ref()) {
        *reasons.entry(failure.reason.as_str()).or_default() += 1;
    }
    format!(
        "{} gone after {took:.1?}: {} listened, {} left post-job metrics, {} requests; failed: \
         {reasons:?}",
        records.len(),
        count(|one| one.marks.0.contains_key(&Phase::Listening)),
        count(|one| one.metrics.post_job.is_some()),
        lxd.requests().len(),
    )
}

/// More than are made at once, each of which takes more than half of its deadline.
pub async fn orders_wait_for_their_turn(place: Place) {
    let standin = StandInOptions {
        create_time: Duration::from_millis(300),
        start_time: Duration::from_millis(300),
        ..StandInOptions::default()
    };
    let stage = Stage::set_with(place, standin, |options| {
        options.parallel = Parallel::all(1);
        options.rules.deadlines.create = jiff::SignedDuration::from_secs(1);
    })
    .await;
    let orders = (0..5).map(|_| stage.manager().create(CreateOrder::default()));
    let ids: Vec<RunnerId> = join_all(orders).await.into_iter().map(Result::unwrap).collect();
    join_all(ids.iter().map(|id| stage.reaches(id, Phase::Standby))).await;
    stage.manager().flush(None, false).await.unwrap();
    stage.strike().await;
}

/// One that is awaited does not wait for all that were ordered before it only to be ready.
pub async fn who_is_awaited_is_made_before_spare_ones(place: Place) {
    let standin =
        StandInOptions { create_time: Duration::from_millis(200), ..StandInOptions::default() };
    let stage =
        Stage::set_with(place, standin, |options| options.parallel = Parallel::all(1)).await;
    for _ in 0..6 {
        let spec = stage.options.rules.spec.clone();
        stage.order(Move::Create { spec, purpose: Purpose::Spare }).await;
    }
    let awaited = stage.manager().create(CreateOrder::default()).await.unwrap();
    stage.reaches(&awaited, Phase::Standby).await;
    let began = |one: &Record| one.marks.0.get(&Phase::Creating).copied();
    let own = began(&stage.record(&awaited)).unwrap();
    let view = stage.manager().view();
    let later = |one: &Record| began(one).is_none_or(|at| at > own);
    assert!(view.runners.values().any(|one| later(one)), "it was made last");
    stage.manager().flush(None, false).await.unwrap();
    stage.strike().await;
}

/// Twenty real runners ordered at once, one job each.
pub async fn twenty_at_once_run_one_job_each(place: Place) {
    let stage = Stage::set(place, |_| {}).await;
    let begin = Instant::now();
    let runners = (0..REAL).map(|_| stage.busy_runner(Duration::from_secs(1)));
    let ids = join_all(runners).await;
    println!("{REAL} made after {:.1?}", begin.elapsed());
    timeout(ALL.max(PATIENCE), join_all(ids.iter().map(|id| stage.reaches_gone(id))))
        .await
        .unwrap();
    println!("{REAL} gone after {:.1?}", begin.elapsed());
    for id in &ids {
        let record = stage.record(id);
        assert_eq!((record.exit_code, &record.failure), (Some(0), &None), "{}", record.name);
        assert!(record.metrics.post_job.is_some(), "{}", record.name);
        assert_eq!(stage.metrics_told(id).await, 1, "{}", record.name);
    }
    match &stage.lxd {
        Lxd::Real(real) => {
            let jobs = real.github.jobs();
            assert_eq!(jobs.len(), REAL);
            assert!(jobs.iter().all(|job| job.runs == 1 && job.state.is_final()), "{jobs:?}");
            assert_eq!(real.github.runners(), [], "every registration is gone");
        }
        Lxd::StandIn(lxd) => {
            let jobs = |id: &RunnerId| lxd.jobs_of(&stage.record(id).name.to_string());
            assert!(ids.iter().all(|id| jobs(id) == 1));
        }
    }
    stage.strike().await;
}
