//! Each mismatch that GitHub's list can show, and what looks like one and is none.

use super::*;
use crate::model::{Binding, InstanceType, Spec};

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn target() -> Target {
    Target { connection: "github".to_owned(), path: "acme/web".parse().unwrap() }
}

fn name(n: u64) -> InstanceName {
    InstanceName::new("larm".parse().unwrap(), RunnerId::from_bits(n))
}

fn listed(n: u64, online: bool, busy: bool) -> GitHubRunner {
    let name = name(n).to_string();
    GitHubRunner { id: n + 100, name, online, busy, labels: vec![], version: None }
}

/// A runner that has listened since second 0.
fn record(n: u64, phase: Phase) -> Record {
    let spec = Spec::new("small", "debian", InstanceType::Container);
    let mut record = Record::planned(name(n), spec, false, at(0));
    record.phase = phase;
    record.marks.0.insert(phase, at(0));
    record.handover = Handover::Taken;
    record.handed_over_at = Some(at(0));
    record.registration = Registration::Known(n + 100);
    record.binding = Some(Binding {
        pool: "small".to_owned(),
        target: target(),
        labels: vec![],
        job: None,
        since: at(0),
    });
    record
}

/// Looks every ten seconds for so long; returns what was found and when.
fn found(
    records: Vec<Record>,
    runners: &[GitHubRunner],
    seconds: i64,
) -> Vec<(u64, Mismatch, i64)> {
    let ids = records.into_iter().map(|one| (one.id().clone(), Arc::new(one)));
    let records: BTreeMap<_, _> = ids.collect();
    let (prefix, target) = ("larm".parse().unwrap(), target());
    let mut suspicions = Suspicions::default();
    let mut all = Vec::new();
    for second in (0..=seconds).step_by(10) {
        let roll = Roll { target: &target, runners, asked_at: at(second) };
        for one in suspicions.weigh(&records, &prefix, &roll) {
            let id = u64::from_str_radix(one.name.id().as_str(), 16).unwrap();
            all.push((id, one.mismatch, second));
        }
    }
    all
}

#[test]
fn a_runner_that_listens_and_is_not_listed_is_a_ghost_after_a_while() {
    let ghosts = found(vec![record(1, Phase::Listening)], &[], 60);
    assert_eq!(ghosts, [(1, Mismatch::Ghost, 50)], "the list may lag for 15 s, then 30 s");
    for phase in [Phase::Standby, Phase::Busy, Phase::Finished, Phase::Gone] {
        assert_eq!(found(vec![record(1, phase)], &[], 60), [], "{phase}");
    }
    let mut unbound = record(1, Phase::Listening);
    unbound.binding = None;
    assert_eq!(found(vec![unbound], &[], 60), [], "it may be registered elsewhere");
}

#[test]
fn a_registration_without_an_instance_is_leaked() {
    let gone = vec![record(1, Phase::Gone)];
    assert_eq!(
        found(gone.clone(), &[listed(1, false, false)], 30),
        [(1, Mismatch::LeakedRecord, 30)]
    );
    assert_eq!(found(gone, &[listed(1, false, true)], 60), [], "GitHub says that it is busy");
}

#[test]
fn a_stranger_s_registration_has_to_be_offline_for_long() {
    let strange = [listed(1, false, false), listed(2, true, false)];
    assert_eq!(found(vec![], &strange, 600), [(1, Mismatch::LeakedRecord, 600)]);
    let mut other = listed(3, false, false);
    other.name = "other-000000000003".to_owned();
    assert_eq!(found(vec![], &[other], 1200), [], "another prefix is never touched");
}

#[test]
fn a_runner_that_never_comes_online_is_deaf() {
    let deaf = found(vec![record(1, Phase::Standby)], &[listed(1, false, false)], 80);
    assert_eq!(deaf, [(1, Mismatch::Deaf, 80)]);
    assert_eq!(found(vec![record(1, Phase::Listening)], &[listed(1, true, false)], 600), []);
}

#[test]
fn what_is_well_again_is_forgotten() {
    let record = record(1, Phase::Listening);
    let records: BTreeMap<_, _> = [(record.id().clone(), Arc::new(record))].into();
    let (prefix, target) = ("larm".parse().unwrap(), target());
    let mut suspicions = Suspicions::default();
    let there = [listed(1, true, false)];
    for (second, runners) in [(20, &[][..]), (30, &there[..]), (50, &[][..])] {
        let roll = Roll { target: &target, runners, asked_at: at(second) };
        assert_eq!(suspicions.weigh(&records, &prefix, &roll), []);
    }
    assert_eq!(suspicions.next_due(&target), Some(at(80)));
}
