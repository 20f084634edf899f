//! Standbys of an image before the one that is used now.

use super::situations::{WEB, binds, creates, retires};
use super::*;

fn of(fingerprint: &str) -> Spec {
    Spec { fingerprint: fingerprint.to_owned(), ..spec("small", 1) }
}

/// A pool that keeps so many standbys of the image `new`, and as many of the image `old`.
fn scene(standby: usize) -> (Scene, Vec<RunnerId>) {
    let mut small = pool("small", WEB, &["small"]);
    (small.standby, small.spec) = (standby, of("new"));
    let mut scene = Scene::new(vec![small]);
    let old = (0..standby).map(|_| scene.standby(&of("old"))).collect();
    (scene, old)
}

#[test]
fn they_stay_until_as_many_of_the_new_one_are_ready() {
    let (mut scene, old) = scene(2);
    let moves = scene.plan().moves;
    assert_eq!((creates(&moves), retires(&moves)), (vec!["small", "small"], vec![]));
    scene.standby(&of("new"));
    scene.create(&of("new"));
    let moves = scene.plan().moves;
    assert_eq!((creates(&moves), retires(&moves)), (vec![], vec![&old[0]]));
}

#[test]
fn they_get_a_job_only_while_there_is_no_new_one() {
    let (mut scene, old) = scene(1);
    scene.queue(job(1, WEB, &["small"]));
    let moves = scene.plan().moves;
    assert_eq!(binds(&moves), [(&old[0], "small")]);
    let new = scene.standby(&of("new"));
    let moves = scene.plan().moves;
    assert_eq!(
        (binds(&moves), retires(&moves)),
        (vec![(&new, "small")], vec![]),
        "another one is lacking"
    );
}

#[test]
fn they_get_a_job_before_a_new_one_that_is_not_ready() {
    let (mut scene, old) = scene(1);
    scene.create(&of("new"));
    scene.queue(job(1, WEB, &["small"]));
    assert_eq!(binds(&scene.plan().moves), [(&old[0], "small")]);
}

#[test]
fn one_that_is_bound_stays_while_a_job_waits() {
    let (mut scene, old) = scene(1);
    scene.queue(job(1, WEB, &["small"]));
    let bound = Binding { job: Some(1), ..binding(&scene.pools[0], scene.now) };
    scene.meet(&old[0], &Event::Bound(bound));
    let moves = scene.plan().moves;
    assert_eq!((binds(&moves), retires(&moves)), (vec![], vec![]));
    scene.queue(job(2, WEB, &["small"]));
    scene.job(1).state = JobState::InProgress;
    let nobody: Vec<&RunnerId> = Vec::new();
    assert_eq!(retires(&scene.plan().moves), nobody, "the other may be given to it right now");
    scene.job(2).state = JobState::InProgress;
    assert_eq!(retires(&scene.plan().moves), [&old[0]]);
}

#[test]
fn where_there_is_no_room_for_both_they_go_one_by_one() {
    let (mut scene, old) = scene(3);
    scene.budget.runners = Some(3);
    let moves = scene.plan().moves;
    assert_eq!((creates(&moves), retires(&moves)), (vec![], vec![&old[0]]));
    scene.meet(&old[0], &Event::RemovalWanted { force: false, reason: String::new() });
    assert_eq!(retires(&scene.plan().moves), Vec::<&RunnerId>::new(), "one is leaving");
}

#[test]
fn those_that_are_not_ready_are_not_waited_for() {
    let (mut scene, _) = scene(1);
    let half = scene.create(&of("old"));
    assert_eq!(retires(&scene.plan().moves), [&half]);
}
