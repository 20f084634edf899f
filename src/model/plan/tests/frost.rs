//! Standbys that wait frozen, that are shared, and that are made anew when one is taken.

use std::sync::Arc;

use jiff::SignedDuration;

use super::super::Move;
use super::situations::binds;
use super::{Scene, at, job, pool, spec};
use crate::model::{Event, Frost, Phase, Pool, RunnerId};

const WEB: &str = "acme/web";

impl Scene {
    fn frozen(&mut self, pool: &Pool) -> RunnerId {
        let id = self.standby(&pool.spec);
        self.meet(&id, &Event::FreezeWanted);
        self.meet(&id, &Event::Froze);
        id
    }
}

/// Two standbys, one of them frozen.
fn tiered() -> Pool {
    let mut small = pool("small", WEB, &["small"]);
    (small.standby, small.frozen) = (2, 1);
    small
}

#[test]
fn all_but_the_warm_ones_are_frozen_once_they_are_ready() {
    let small = tiered();
    let mut scene = Scene::new(vec![small.clone()]);
    let warm = scene.standby(&small.spec);
    let _booting = scene.create(&small.spec);
    assert_eq!(scene.plan().moves, [], "what boots is not counted as ready");
    scene.now = at(1);
    let other = scene.standby(&small.spec);
    scene.records.retain(|id, _| *id == warm || *id == other);
    assert_eq!(scene.plan().moves, [Move::Freeze { runner: other.clone() }]);
    scene.meet(&other, &Event::FreezeWanted);
    assert_eq!(scene.plan().moves, []);
}

#[test]
fn what_lxd_would_not_freeze_is_left_warm_for_a_while() {
    let small = tiered();
    let mut scene = Scene::new(vec![small.clone()]);
    scene.standby(&small.spec);
    scene.now = at(1);
    let other = scene.standby(&small.spec);
    let until = at(60);
    Arc::make_mut(scene.records.get_mut(&other).unwrap()).warm_until = Some(until);
    let plan = scene.plan();
    assert_eq!((plan.moves, plan.look_again), (vec![], Some(until)));
    scene.now = until;
    assert_eq!(scene.plan().moves, [Move::Freeze { runner: other }]);
}

#[test]
fn in_the_plan_that_takes_a_warm_one_the_next_is_thawed_and_a_new_one_ordered() {
    let small = tiered();
    let mut scene = Scene::new(vec![small.clone()]);
    let (frozen, warm) = (scene.frozen(&small), scene.standby(&small.spec));
    assert_eq!(scene.plan().moves, []);
    scene.queue(job(1, WEB, &["small"]));
    let moves = scene.plan().moves;
    let [Move::Bind { runner, .. }, Move::Create { .. }, Move::Thaw { runner: next }] =
        moves.as_slice()
    else {
        panic!("{moves:?}")
    };
    assert_eq!((runner, next), (&warm, &frozen));
}

#[test]
fn of_an_older_image_too_a_job_takes_the_warm_one() {
    let mut small = tiered();
    small.spec.fingerprint = "old".to_owned();
    let mut scene = Scene::new(vec![small.clone()]);
    let (_frozen, warm) = (scene.frozen(&small), scene.standby(&small.spec));
    small.spec.fingerprint = "new".to_owned();
    scene.pools = vec![small.into()];
    scene.queue(job(1, WEB, &["small"]));
    assert_eq!(binds(&scene.plan().moves), [(&warm, "small")]);
}

#[test]
fn a_job_takes_a_warm_one_then_a_frozen_one_then_one_that_boots() {
    let small = tiered();
    let mut scene = Scene::new(vec![small.clone()]);
    let _boots = scene.create(&small.spec);
    let (frozen, warm) = (scene.frozen(&small), scene.standby(&small.spec));
    for (id, expected) in [(1, Some(&warm)), (2, Some(&frozen)), (3, None)] {
        scene.queue(job(id, WEB, &["small"]));
        let moves = scene.plan().moves;
        let mut bound: Vec<_> = Vec::new();
        for one in &moves {
            if let Move::Bind { runner, binding } = one {
                bound.push(runner.clone());
                scene.meet(runner, &Event::Bound(binding.clone()));
            }
        }
        assert_eq!(bound.first(), expected, "{moves:?}");
    }
    assert_eq!(scene.records[&frozen].frost, Frost::Thawing);
}

#[test]
fn frozen_ones_thaw_where_no_pool_wants_them_frozen() {
    let mut small = tiered();
    let mut scene = Scene::new(vec![small.clone()]);
    let (frozen, _) = (scene.frozen(&small), scene.standby(&small.spec));
    small.frozen = 0;
    scene.pools = vec![small.into()];
    assert_eq!(scene.plan().moves, [Move::Thaw { runner: frozen }]);
}

#[test]
fn the_greatest_wishes_of_a_shape_count() {
    let (mut one, mut other) = (tiered(), pool("other", "acme/api", &["other"]));
    (one.standby, one.frozen) = (1, 1);
    (other.standby, other.frozen, other.spec) = (3, 0, one.spec.clone());
    let mut scene = Scene::new(vec![one.clone(), other]);
    for _ in 0..3 {
        scene.standby(&one.spec);
    }
    let moves = scene.plan().moves;
    assert!(matches!(moves.as_slice(), [Move::Freeze { .. }]), "{moves:?}");
}

#[test]
fn a_frozen_one_is_retired_before_its_guest_s_lifetime_is_over() {
    let mut small = tiered();
    small.lifetime = Some(SignedDuration::from_mins(10));
    let mut scene = Scene::new(vec![small.clone()]);
    let (frozen, _warm) = (scene.frozen(&small), scene.standby(&small.spec));
    let plan = scene.plan();
    assert_eq!((plan.moves, plan.look_again), (vec![], Some(at(540))));
    scene.now = at(540);
    scene.queue(job(1, WEB, &["small"]));
    scene.queue(job(2, WEB, &["small"]));
    let moves = scene.plan().moves;
    let retired = moves.iter().any(|one| {
        matches!(one, Move::Retire { runner, reason, .. }
            if *runner == frozen && reason.contains("lifetime"))
    });
    let bound = |one: &&Move| matches!(one, Move::Bind { runner, .. } if *runner == frozen);
    assert!(retired && !moves.iter().any(|one| bound(&one)), "{moves:?}");
}

#[test]
fn standbys_serve_only_pools_that_share_them() {
    let (mut web, mut api) = (tiered(), pool("api", "acme/api", &["small"]));
    (web.standby, web.frozen) = (1, 0);
    api.spec = web.spec.clone();
    let mut scene = Scene::new(vec![web.clone(), api.clone()]);
    let id = scene.standby(&web.spec);
    scene.queue(job(1, "acme/api", &["small"]));
    let bound = |moves: &[Move]| {
        moves.iter().any(|one| matches!(one, Move::Bind { runner, .. } if *runner == id))
    };
    assert!(bound(&scene.plan().moves));
    api.spec.share = "api".to_owned();
    scene.pools = vec![web.into(), api.into()];
    assert!(!bound(&scene.plan().moves));
}

#[test]
fn a_standby_is_used_once() {
    let small = tiered();
    let mut scene = Scene::new(vec![small.clone()]);
    let used = scene.listening(0);
    scene.guest(&used, crate::model::GuestPhase::Finished);
    scene.queue(job(1, WEB, &["small"]));
    assert!(scene.records[&used].phase >= Phase::Finished);
    let moves = scene.plan().moves;
    assert!(moves.iter().all(|one| matches!(one, Move::Create { .. })), "{moves:?}");
}

#[test]
fn a_job_that_finds_no_room_comes_before_the_standbys() {
    let mut small = tiered();
    small.standby = 3;
    let mut scene = Scene::new(vec![small.clone(), pool("big", WEB, &["big"])]);
    scene.pools[1] = {
        let mut big = pool("big", WEB, &["big"]);
        big.spec = spec("big", 60);
        big.into()
    };
    scene.budget.host.memory = 61 << 30;
    let (frozen, _warm) = (scene.frozen(&small), scene.standby(&small.spec));
    scene.queue(job(1, WEB, &["big"]));
    let moves = scene.plan().moves;
    let creates = moves.iter().any(|one| matches!(one, Move::Create { .. }));
    let retires = moves.iter().filter(|one| matches!(one, Move::Retire { .. })).count();
    assert!(!creates && retires == 1, "{moves:?}");
    assert!(scene.records.contains_key(&frozen));
}
