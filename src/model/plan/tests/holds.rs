//! Instances that are held for inspection, and jobs that want their room.

use std::sync::Arc;

use super::super::Move;
use super::{Scene, at, job, pool, spec};
use crate::model::{Hold, Phase, RunnerId, surplus_holds};

const WEB: &str = "acme/web";

impl Scene {
    /// A runner that has ended and whose instance is held.
    fn held(&mut self, hold: Hold, since: i64) -> RunnerId {
        let id = self.create(&spec("old", 1));
        let record = Arc::make_mut(self.records.get_mut(&id).unwrap());
        (record.phase, record.collected, record.hold) = (Phase::Deleting, true, Some(hold));
        record.marks.0.insert(Phase::Deleting, at(since));
        id
    }
}

fn full() -> Scene {
    let mut keeper = pool("keeper", WEB, &["kept"]);
    keeper.min_idle = 1;
    let mut scene = Scene::new(vec![keeper, pool("small", WEB, &["small"])]);
    scene.budget.runners = Some(2);
    scene
}

#[test]
fn what_somebody_holds_is_no_room_that_comes_free() {
    let mut scene = full();
    let idle = scene.listening(0);
    scene.held(Hold::Until(at(3600)), 0);
    scene.queue(job(1, WEB, &["small"]));
    let moves = scene.plan().moves;
    let [Move::Retire { runner, .. }] = moves.as_slice() else { panic!("{moves:?}") };
    assert_eq!(*runner, idle);
}

#[test]
fn what_is_held_because_it_failed_gives_way_before_anybody_else() {
    let mut scene = full();
    scene.listening(0);
    let failed = scene.held(Hold::Failed(at(3600)), 0);
    scene.queue(job(1, WEB, &["small"]));
    assert_eq!(scene.plan().moves, [Move::Release { runner: failed }]);
}

#[test]
fn of_those_that_failed_only_the_newest_are_held() {
    let mut scene = full();
    let oldest = scene.held(Hold::Failed(at(3600)), 1);
    for since in 2..4 {
        scene.held(Hold::Failed(at(3600)), since);
        scene.held(Hold::Until(at(3600)), 0);
    }
    let records = scene.records.values().map(AsRef::as_ref);
    assert_eq!(surplus_holds(records, scene.now), [&oldest]);
}
