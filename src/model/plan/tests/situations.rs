//! One situation each.

use jiff::SignedDuration;

use super::super::{Move, Waiting, fits};
use super::{Scene, at, binding, job, phase, pool, spec};
use crate::model::{Cost, Event, Fault, GuestPhase, JobState, Kept, Phase, RunnerId};

pub(super) const WEB: &str = "acme/web";

pub(super) fn creates(moves: &[Move]) -> Vec<&str> {
    let mut pools = Vec::new();
    for one in moves {
        if let Move::Create { spec, .. } = one {
            pools.push(spec.pool.as_str());
        }
    }
    pools
}

pub(super) fn binds(moves: &[Move]) -> Vec<(&RunnerId, &str)> {
    let mut bound = Vec::new();
    for one in moves {
        if let Move::Bind { runner, binding } = one {
            bound.push((runner, binding.pool.as_str()));
        }
    }
    bound
}

pub(super) fn retires(moves: &[Move]) -> Vec<&RunnerId> {
    let mut gone = Vec::new();
    for one in moves {
        if let Move::Retire { runner, .. } = one {
            gone.push(runner);
        }
    }
    gone
}

#[test]
fn labels_are_a_subset_in_any_case_and_targets_cover_their_repositories() {
    let small = pool("small", WEB, &["self-hosted", "linux", "x64", "small"]);
    assert!(fits(&small, &job(1, "Acme/Web", &["Self-Hosted", "SMALL"])));
    assert!(!fits(&small, &job(1, WEB, &["self-hosted", "gpu"])));
    assert!(!fits(&small, &job(1, "acme/api", &["small"])));
    let all = pool("all", "acme", &["small"]);
    assert!(fits(&all, &job(1, "acme/api", &["small"])));
    assert!(!fits(&all, &job(1, "other/api", &["small"])));
    let mut elsewhere = job(1, "acme/api", &["small"]);
    elsewhere.connection = "ghes".to_owned();
    assert!(!fits(&all, &elsewhere));
}

#[test]
fn nothing_is_made_for_nothing() {
    let scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    assert_eq!(scene.plan().moves, []);
}

#[test]
fn a_job_gets_an_instance_of_the_cheapest_pool_that_fits() {
    let mut large = pool("large", WEB, &["small", "large"]);
    large.spec = spec("large", 8);
    let mut scene = Scene::new(vec![large, pool("small", WEB, &["small"])]);
    scene.queue(job(1, WEB, &["small"]));
    scene.queue(job(2, WEB, &["large"]));
    let plan = scene.plan();
    assert_eq!(creates(&plan.moves), ["small", "large"]);
    assert_eq!(plan.waiting[&1], Waiting::Coming { pool: "small".to_owned(), runner: None });
}

#[test]
fn what_is_under_way_is_not_ordered_again() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    scene.queue(job(1, WEB, &["small"]));
    let id = scene.create(&spec("small", 1));
    let plan = scene.plan();
    assert_eq!(plan.moves, []);
    let coming = Waiting::Coming { pool: "small".to_owned(), runner: Some(id) };
    assert_eq!(plan.waiting[&1], coming);
}

#[test]
fn a_standby_serves_any_pool_of_its_shape_and_is_replaced_at_once() {
    let mut first = pool("first", WEB, &["small"]);
    first.standby = 1;
    let mut scene = Scene::new(vec![first, pool("second", "acme/api", &["small"])]);
    let id = scene.standby(&spec("first", 1));
    assert_eq!(scene.plan().moves, [], "one is wanted, one is there");
    scene.queue(job(1, "acme/api", &["small"]));
    let moves = scene.plan().moves;
    assert_eq!(binds(&moves), [(&id, "second")]);
    assert_eq!(creates(&moves), ["first"], "the next standby");
}

#[test]
fn the_dearer_pool_serves_where_its_runner_is_ready_and_the_cheaper_has_none() {
    let mut large = pool("large", WEB, &["small"]);
    large.spec = spec("large", 8);
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"]), large]);
    let id = scene.standby(&spec("large", 8));
    scene.queue(job(1, WEB, &["small"]));
    assert_eq!(binds(&scene.plan().moves), [(&id, "large")]);
}

#[test]
fn idle_runners_are_kept_beyond_the_jobs() {
    let mut small = pool("small", WEB, &["small"]);
    small.min_idle = 2;
    let mut scene = Scene::new(vec![small]);
    let id = scene.listening(0);
    scene.queue(job(1, WEB, &["small"]));
    let plan = scene.plan();
    assert_eq!(creates(&plan.moves).len(), 2);
    assert_eq!(plan.waiting[&1], Waiting::Idle { pool: "small".to_owned(), runner: id });
}

#[test]
fn a_full_pool_says_who_has_its_places() {
    let mut small = pool("small", WEB, &["small"]);
    small.max = 1;
    let mut scene = Scene::new(vec![small]);
    let id = scene.listening(0);
    scene.guest(&id, GuestPhase::Busy);
    let mut taken = job(1, WEB, &["small"]);
    (taken.state, taken.runner) = (JobState::InProgress, Some(scene.records[&id].name.to_string()));
    scene.queue(taken);
    scene.queue(job(2, WEB, &["small"]));
    let plan = scene.plan();
    assert_eq!(plan.moves, []);
    let full = Waiting::PoolFull { pool: "small".to_owned(), max: 1, held_by: [id].into() };
    assert_eq!(plan.waiting[&2], full);
}

#[test]
fn the_next_pool_serves_where_the_cheapest_is_full() {
    let mut small = pool("small", WEB, &["small"]);
    small.max = 0;
    let mut large = pool("large", WEB, &["small"]);
    large.spec = spec("large", 8);
    let mut scene = Scene::new(vec![small, large]);
    scene.queue(job(1, WEB, &["small"]));
    assert_eq!(creates(&scene.plan().moves), ["large"]);
}

#[test]
fn a_job_that_nobody_serves_says_what_is_lacking() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    scene.queue(job(1, WEB, &["small", "gpu"]));
    let lacking = vec![("small".to_owned(), vec!["gpu".to_owned()])];
    assert_eq!(scene.plan().waiting[&1], Waiting::NoPool { lacking });
}

#[test]
fn a_runner_that_got_busy_counts_for_a_job_until_github_was_heard_again() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    let id = scene.listening(0);
    scene.queue(job(1, WEB, &["small"]));
    scene.now = at(60);
    scene.guest(&id, GuestPhase::Busy);
    let plan = scene.plan();
    assert_eq!(plan.moves, []);
    assert_eq!(plan.waiting[&1], Waiting::Taken { by: id.clone() });
    scene.guest(&id, GuestPhase::Finished);
    assert_eq!(scene.plan().moves, [], "it has ended, and GitHub has said nothing yet");
    assert_eq!(scene.plan().look_again, Some(at(180)));
    scene.now = at(180);
    assert_eq!(creates(&scene.plan().moves), ["small"], "GitHub should have said something");
    scene.now = at(91);
    scene.job(1).confirmed_at = at(90);
    assert_eq!(creates(&scene.plan().moves), ["small"], "it had another job: stolen");
}

#[test]
fn a_runner_whose_job_is_known_counts_for_no_other() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    let id = scene.listening(0);
    scene.guest(&id, GuestPhase::Busy);
    let mut other = job(7, WEB, &["small"]);
    (other.state, other.runner) = (JobState::Completed, Some(scene.records[&id].name.to_string()));
    scene.queue(other);
    scene.queue(job(8, WEB, &["small"]));
    assert_eq!(creates(&scene.plan().moves), ["small"]);
}

#[test]
fn the_host_is_not_filled_beyond_its_budget_and_standbys_make_room() {
    let mut large = pool("large", WEB, &["large"]);
    large.spec = spec("large", 8);
    let mut small = pool("small", WEB, &["small"]);
    small.standby = 1;
    let mut scene = Scene::new(vec![small, large]);
    scene.budget.host = Cost { cpus: 8, memory: 8 << 30, disk: u64::MAX };
    let id = scene.standby(&spec("small", 1));
    scene.queue(job(1, WEB, &["large"]));
    let plan = scene.plan();
    assert_eq!(retires(&plan.moves), [&id]);
    assert_eq!(creates(&plan.moves), <[&str; 0]>::default(), "not before there is room");
    let Waiting::HostFull { lacking, .. } = &plan.waiting[&1] else { panic!("{plan:?}") };
    assert_eq!(lacking, "8192 MiB of memory are wanted, 7168 MiB are left");
}

#[test]
fn failed_creations_are_repeated_ever_more_seldom() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    scene.queue(job(1, WEB, &["small"]));
    for (attempt, pause) in [5, 10, 20].into_iter().enumerate() {
        let id = scene.create(&spec("small", 1));
        scene.meet(&id, &Event::Admitted);
        let fault = Fault { transient: false, message: "no space left".to_owned() };
        scene.meet(&id, &Event::CreateFailed(fault));
        let plan = scene.plan();
        assert_eq!(plan.moves, [], "attempt {attempt}");
        let until = scene.now + SignedDuration::from_secs(pause);
        assert_eq!(plan.look_again, Some(until));
        let error = "no space left".to_owned();
        let waiting = Waiting::BackingOff { pool: "small".to_owned(), until, error };
        assert_eq!(plan.waiting[&1], waiting);
        scene.now = until;
        assert_eq!(creates(&scene.plan().moves), ["small"]);
    }
}

#[test]
fn creations_are_limited_by_the_minute() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    scene.budget.creations_per_minute = 2;
    for id in 1..=4 {
        scene.queue(job(id, WEB, &["small"]));
    }
    assert_eq!(creates(&scene.plan().moves).len(), 2);
    let _ = (scene.create(&spec("small", 1)), scene.create(&spec("small", 1)));
    let plan = scene.plan();
    assert_eq!((plan.moves, plan.look_again), (vec![], Some(at(60))));
    scene.now = at(60);
    assert_eq!(creates(&scene.plan().moves).len(), 2);
}

#[test]
fn what_github_does_not_register_waits_and_is_not_made() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    scene.queue(job(1, WEB, &["small"]));
    let id = scene.standby(&spec("small", 1));
    let pool = scene.pools[0].clone();
    scene.meet(&id, &Event::Bound(binding(&pool, scene.now)));
    let error = "Bad credentials".to_owned();
    scene.meet(&id, &Event::NotRegistered { error: error.clone(), until: None });
    assert_eq!(phase(&scene, &id), Phase::Standby);
    let plan = scene.plan();
    assert_eq!(plan.moves, []);
    let until = at(2);
    let waiting = Waiting::Unregistrable { pool: "small".to_owned(), until, error };
    assert_eq!((&plan.waiting[&1], plan.look_again), (&waiting, Some(until)));
    scene.now = until;
    assert_eq!(binds(&scene.plan().moves), [(&id, "small")]);
}

#[test]
fn a_changed_pool_rolls_over_one_idle_runner_at_a_time() {
    let mut small = pool("small", WEB, &["small"]);
    small.min_idle = 2;
    let mut scene = Scene::new(vec![small.clone()]);
    let (first, second, third) = (scene.listening(0), scene.listening(0), scene.listening(0));
    scene.guest(&third, GuestPhase::Busy);
    small.labels.push("new".to_owned());
    scene.pools = vec![small.clone().into()];
    let moves = scene.plan().moves;
    assert_eq!(retires(&moves), [&first]);
    assert_eq!(creates(&moves), ["small"], "one place of four is left for a replacement");
    let reason = "old".to_owned();
    scene.meet(&first, &Event::RemovalWanted { force: false, reason });
    assert_eq!(retires(&scene.plan().moves), Vec::<&RunnerId>::new(), "one at a time");
    scene.pools.clear();
    assert_eq!(retires(&scene.plan().moves), [&second], "a pool that is no more only drains");
}

#[test]
fn what_was_refused_is_not_asked_for_again_at_once() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    let id = scene.listening(0);
    scene.now = at(301);
    assert_eq!(retires(&scene.plan().moves), [&id]);
    scene.meet(&id, &Event::RemovalWanted { force: false, reason: "idle".to_owned() });
    scene.meet(&id, &Event::Quiesced(crate::model::Quiesced::Busy));
    assert_eq!(scene.records[&id].kept, Some(Kept::Busy));
    let plan = scene.plan();
    assert_eq!((plan.moves, plan.look_again), (vec![], Some(at(331))));
}

#[test]
fn what_nobody_needs_goes_after_a_while() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    let (idle, standby) = (scene.listening(0), scene.standby(&spec("small", 1)));
    let planned = scene.create(&spec("small", 1));
    let plan = scene.plan();
    assert_eq!(retires(&plan.moves), [&planned], "what was not begun is not begun");
    assert_eq!(plan.look_again, Some(at(300)));
    scene.now = at(300);
    scene.meet(&planned, &Event::RemovalWanted { force: false, reason: String::new() });
    let moves = scene.plan().moves;
    assert_eq!(retires(&moves), [&standby, &idle]);
}

#[test]
fn runners_that_somebody_ordered_are_left_alone() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    let id = scene.standby(&spec("other", 3));
    let mut record = scene.records[&id].as_ref().clone();
    record.keeper = crate::model::Keeper::Person;
    scene.records.insert(id, record.into());
    scene.now = at(100_000);
    assert_eq!(scene.plan().moves, []);
}

#[test]
fn a_doomed_application_gets_no_job() {
    let mut small = pool("small", WEB, &["small"]);
    small.standby = 1;
    let mut scene = Scene::new(vec![small]);
    let id = scene.standby(&spec("small", 1));
    let mut record = scene.records[&id].as_ref().clone();
    record.application_version = Some("2.329.0".to_owned());
    scene.records.insert(id.clone(), record.into());
    assert_eq!(scene.plan().moves, []);
    scene.doomed.insert("2.329.0".to_owned());
    let moves = scene.plan().moves;
    assert_eq!((retires(&moves), creates(&moves)), (vec![&id], vec!["small"]));
}

#[test]
fn idle_runners_of_one_pool_make_room_for_jobs_of_another() {
    let mut keeper = pool("keeper", WEB, &["kept"]);
    keeper.min_idle = 1;
    let mut scene = Scene::new(vec![keeper, pool("small", WEB, &["small"])]);
    scene.budget.runners = Some(1);
    let id = scene.listening(0);
    scene.queue(job(1, WEB, &["small"]));
    assert_eq!(retires(&scene.plan().moves), [&id]);
}

#[test]
fn a_job_that_never_fits_costs_nobody_anything() {
    let mut giant = pool("giant", WEB, &["giant"]);
    giant.spec = spec("giant", 100);
    let mut small = pool("small", WEB, &["small"]);
    small.min_idle = 2;
    let mut scene = Scene::new(vec![giant, small]);
    scene.listening(1);
    scene.queue(job(1, WEB, &["giant"]));
    let plan = scene.plan();
    assert_eq!(retires(&plan.moves), Vec::<&RunnerId>::new());
    assert_eq!(creates(&plan.moves), ["small"], "the other pool goes on");
    let Waiting::HostFull { lacking, .. } = &plan.waiting[&1] else { panic!("{plan:?}") };
    assert!(lacking.starts_with("it needs more memory than runners ever get"), "{lacking}");
}

#[test]
fn what_comes_free_is_for_the_more_important_job_and_in_time_for_the_older_one() {
    let mut large = pool("large", WEB, &["large"]);
    (large.spec, large.priority) = (spec("large", 8), 1);
    let mut scene = Scene::new(vec![large.clone(), pool("small", WEB, &["small"])]);
    scene.budget.host.memory = 8 << 30;
    let taker = scene.create(&spec("other", 4));
    scene.queue(job(1, WEB, &["large"]));
    scene.queue(job(2, WEB, &["small"]));
    assert_eq!(creates(&scene.plan().moves), <[&str; 0]>::default());
    large.priority = 0;
    scene.pools[0] = large.into();
    assert_eq!(creates(&scene.plan().moves), ["small"]);
    scene.now = at(121);
    scene.meet(&taker, &Event::Admitted);
    assert_eq!(creates(&scene.plan().moves), <[&str; 0]>::default());
}

#[test]
fn listeners_that_end_at_once_are_made_ever_more_seldom() {
    let mut scene = Scene::new(vec![pool("small", WEB, &["small"])]);
    scene.queue(job(1, WEB, &["small"]));
    let id = scene.listening(0);
    scene.now = at(10);
    let life = [GuestPhase::Ready, GuestPhase::Claimed, GuestPhase::Listening];
    scene.ends(&id, &life);
    let plan = scene.plan();
    assert_eq!((plan.moves, plan.look_again), (vec![], Some(at(15))));
    scene.now = at(15);
    assert_eq!(creates(&scene.plan().moves), ["small"]);
}

#[test]
fn what_is_kept_for_a_job_that_waits_is_not_made_room_for_once_more() {
    let mut large = pool("large", WEB, &["large"]);
    large.spec = spec("large", 8);
    let mut small = pool("small", WEB, &["small"]);
    small.min_idle = 1;
    let mut scene = Scene::new(vec![large, small]);
    scene.budget.host.memory = 8 << 30;
    let id = scene.listening(1);
    scene.queue(job(1, WEB, &["large"]));
    scene.now = at(121);
    assert_eq!(retires(&scene.plan().moves), [&id], "7 GiB are free, and 1 GiB makes them 8");
}

#[test]
fn a_limit_by_the_minute_takes_no_idle_runner() {
    let mut small = pool("small", WEB, &["small"]);
    small.min_idle = 1;
    let mut scene = Scene::new(vec![small, pool("other", WEB, &["other"])]);
    scene.listening(0);
    scene.budget.creations_per_minute = 1;
    let mut waiting = job(1, WEB, &["other"]);
    waiting.queued_at = at(-600);
    scene.queue(waiting);
    assert_eq!(scene.plan().moves, []);
}
