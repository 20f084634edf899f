//! The rules of jobs and runners.

use std::time::Duration;

use super::*;
use crate::smoke::standin::JobState;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn job(labels: &[&str]) -> JobSpec {
    JobSpec::new("build", labels, Duration::from_millis(1500))
}

fn runner(state: &mut State, name: &str, labels: &[&str]) -> u64 {
    state.register(new(name, labels), at(0)).unwrap().0
}

fn new(name: &str, labels: &[&str]) -> NewRunner {
    NewRunner {
        name: name.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        scope: Scope::Anywhere,
        group: 1,
        replace: false,
    }
}

#[test]
fn a_job_goes_to_a_runner_with_its_labels_and_runs_once() {
    let mut state = State::default();
    let id = state.queue_job(job(&["Linux", "big"]), at(0));
    let small = runner(&mut state, "small", &["linux"]);
    let big = runner(&mut state, "big", &["linux", "BIG", "x64"]);
    assert_eq!(state.next_job(small, at(1)), Ok(None));
    assert_eq!(state.next_job(big, at(1)), Ok(Some(id)));
    // An answer that was lost is given again, to the same runner only.
    assert_eq!(state.next_job(big, at(2)), Ok(Some(id)));
    for _ in 0..2 {
        state.started(big, id, "attempt", at(3)).unwrap();
    }
    assert_eq!(state.remove_runner(big, at(3)), Err(Refused::Busy));
    state.finished(big, id, true, at(4)).unwrap();
    let record = state.jobs().remove(0);
    assert_eq!((record.state, record.runs), (JobState::Succeeded, 1));
    assert_eq!((record.started, record.finished), (Some(at(3)), Some(at(4))));
    assert_eq!(state.runners().len(), 1);
    assert_eq!(state.next_job(big, at(5)), Err(Refused::NotFound));
}

#[test]
fn a_job_that_is_not_started_goes_back_to_the_queue() {
    let mut state = State::default();
    let id = state.queue_job(job(&[]), at(0));
    let first = runner(&mut state, "first", &[]);
    let second = runner(&mut state, "second", &[]);
    assert_eq!(state.next_job(first, at(0)), Ok(Some(id)));
    assert_eq!(state.next_job(second, at(10)), Ok(None));
    assert_eq!(state.next_job(second, at(16)), Ok(Some(id)));
    assert!(state.runners().iter().all(|runner| runner.busy == (runner.id == second)));
    state.remove_runner(second, at(17)).unwrap();
    assert_eq!(state.next_job(first, at(17)), Ok(Some(id)));
}

#[test]
fn two_workers_are_two_runs() {
    let mut state = State::default();
    let id = state.queue_job(job(&[]), at(0));
    let only = runner(&mut state, "only", &[]);
    state.next_job(only, at(0)).unwrap();
    state.started(only, id, "a", at(1)).unwrap();
    state.started(only, id, "b", at(2)).unwrap();
    assert_eq!(state.jobs()[0].runs, 2);
}

#[test]
fn names_are_taken_once_unless_replaced() {
    let mut state = State::default();
    runner(&mut state, "a", &[]);
    assert_eq!(state.register(new("a", &[]), at(0)).unwrap_err(), Refused::NameTaken);
    assert!(state.register(NewRunner { replace: true, ..new("a", &[]) }, at(0)).is_ok());
    state.faults.refuse_registration = true;
    assert_eq!(state.register(new("b", &[]), at(0)).unwrap_err(), Refused::Registration);
}

#[test]
fn a_job_is_told_in_lines() {
    let mut state = State::default();
    let id = state.queue_job(JobSpec { steps: vec!["true\n".to_owned()], ..job(&[]) }, at(0));
    let message = state.job_message(id).unwrap();
    assert!(message.starts_with("id 1\nseconds 1.500\nname YnVpbGQ=\n"), "{message}");
    assert!(message.ends_with("step dHJ1ZQo=\n"), "{message}");
}

#[test]
fn a_job_goes_to_runners_of_its_repository_or_its_owner_only() {
    let mut state = State::default();
    let spec = JobSpec { repository: "Acme/site".to_owned(), ..job(&[]) };
    let id = state.queue_job(spec, at(0));
    let mut at_place = |name: &str, scope: Scope| {
        state.register(NewRunner { scope, ..new(name, &[]) }, at(0)).unwrap().0
    };
    let other = at_place("a", Scope::Organization("other".to_owned()));
    let sibling = at_place("b", Scope::Repository("acme/b".to_owned()));
    let same = at_place("c", Scope::Repository("acme/SITE".to_owned()));
    let owner = at_place("d", Scope::Organization("acme".to_owned()));
    assert_eq!(state.next_job(other, at(1)), Ok(None));
    assert_eq!(state.next_job(sibling, at(1)), Ok(None));
    assert_eq!(state.next_job(same, at(1)), Ok(Some(id)));
    state.remove_runner(same, at(2)).unwrap();
    assert_eq!(state.next_job(owner, at(2)), Ok(Some(id)));
}

#[test]
fn lists_show_how_things_were_so_long_ago() {
    let mut state = State::default();
    let before = runner(&mut state, "before", &[]);
    state.set_faults(Faults { list_lag: Duration::from_secs(5), ..Faults::default() });
    state.register(new("first", &[]), at(10)).unwrap();
    state.remove_runner(before, at(12)).unwrap();
    for (second, listed) in [
        (10, vec!["before"]),
        (14, vec!["before"]),
        (15, vec!["before", "first"]),
        (16, vec!["before", "first"]),
        (17, vec!["first"]),
    ] {
        let shown = state.listed_runners(at(second));
        let names: Vec<&str> = shown.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, listed, "at {second}");
    }
}
