//! A standby that is frozen, thawed, and given away.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    Action, CloudRunnerState, Deadlines, Event, Fault, Found, Frost, GuestPhase, GuestReport,
    Handover, Health, InstanceType, Phase, Record, Spec, is_watched, next_due, pending, step,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn standby() -> Record {
    let spec = Spec::new("web", "debian", InstanceType::Container);
    let mut record = Record::planned("larm-0123456789ab".parse().unwrap(), spec, false, at(0));
    (record.phase, record.state) = (Phase::Standby, CloudRunnerState::Active);
    record.marks.0.insert(Phase::Standby, at(0));
    record
}

fn meet(record: &Record, event: &Event) -> Record {
    step(record, event, &Deadlines::default(), at(1)).unwrap().record
}

fn report(phase: GuestPhase) -> GuestReport {
    GuestReport {
        seq: 9,
        phase,
        reached: BTreeMap::new(),
        exit_code: None,
        detail: None,
        oom_kills: 0,
        pre_job: Found::Absent,
        post_job: Found::Absent,
    }
}

fn frozen() -> Record {
    let record = meet(&standby(), &Event::FreezeWanted);
    assert_eq!(pending(&record, at(1)), Some(Action::Freeze));
    meet(&record, &Event::Froze)
}

#[test]
fn a_frozen_standby_is_active_healthy_and_left_alone() {
    let record = meet(&frozen(), &Event::SeenFrozen);
    assert_eq!((record.state, &record.health), (CloudRunnerState::Active, &Health::Healthy));
    let record = meet(&record, &Event::Probed(Err("Instance is frozen".to_owned())));
    assert_eq!((&record.health, record.trouble_since), (&Health::Healthy, None));
    let swept = step(&record, &Event::Swept, &Deadlines::default(), at(1)).unwrap();
    assert_eq!(swept.asks, [Action::Inspect]);
    assert_eq!((pending(&record, at(9)), next_due(&record, &Deadlines::default())), (None, None));
    assert!(is_watched(&record), "its watch is frozen with it");
}

#[test]
fn what_others_freeze_is_in_trouble_as_ever() {
    let record = meet(&standby(), &Event::SeenFrozen);
    assert_eq!((record.state, record.trouble_since), (CloudRunnerState::Stopped, Some(at(1))));
}

#[test]
fn what_others_thaw_is_frozen_again() {
    let record = meet(&frozen(), &Event::Seen(CloudRunnerState::Active));
    assert_eq!(pending(&record, at(1)), Some(Action::Freeze));
}

#[test]
fn a_credential_waits_for_the_thaw() {
    for before in [frozen(), meet(&standby(), &Event::FreezeWanted)] {
        let record = meet(&before, &Event::Claimed);
        assert_eq!(pending(&record, at(1)), Some(Action::Thaw));
        // The answer of a freeze that was under way.
        let record = meet(&record, &Event::Froze);
        assert_eq!((record.frost, record.handover), (Frost::Thawing, Handover::Wanted));
        let due = at(1).checked_add(Deadlines::default().register).ok();
        assert_eq!(next_due(&record, &Deadlines::default()), due);
        let record = meet(&record, &Event::Thawed(SignedDuration::ZERO));
        assert_eq!((record.frost, record.handover), (Frost::None, Handover::Pushing));
        assert_eq!(pending(&record, at(1)), Some(Action::HandOver));
    }
}

/// One that is being thawed for later waits for nothing; the job's time is counted from when it comes.
#[test]
fn a_thaw_has_a_deadline_that_counts_from_its_use() {
    let (deadlines, register) = (Deadlines::default(), Deadlines::default().register);
    let record = meet(&frozen(), &Event::ThawWanted);
    assert_eq!(next_due(&record, &deadlines), at(1).checked_add(register).ok());
    let late = at(1) + register;
    let failed = step(&record, &Event::Due, &deadlines, late).unwrap().record;
    assert_eq!(failed.phase, Phase::Failed, "a new one is made");
    let mut silent = record.clone();
    silent.state = CloudRunnerState::Unknown;
    assert_eq!(next_due(&silent, &deadlines), None, "LXD does not answer");
    let claimed = step(&record, &Event::Claimed, &deadlines, late).unwrap().record;
    assert_eq!(next_due(&claimed, &deadlines), late.checked_add(register).ok());
}

/// Whoever put a credential into its guest: a listener must not be frozen for good.
#[test]
fn one_whose_guest_has_a_credential_is_thawed() {
    for phase in [GuestPhase::Claimed, GuestPhase::Listening, GuestPhase::Finished] {
        for before in [frozen(), meet(&standby(), &Event::FreezeWanted)] {
            let record = meet(&before, &Event::Reported(Box::new(report(phase))));
            assert_eq!((record.handover, record.frost), (Handover::Taken, Frost::Thawing));
            let record = meet(&record, &Event::Froze);
            assert_eq!(record.frost, Frost::Thawing, "{phase:?}");
        }
    }
}

#[test]
fn one_that_cannot_be_frozen_serves_all_the_same() {
    let fault = Fault { transient: false, message: "no freezer".to_owned() };
    let record = meet(&meet(&standby(), &Event::FreezeWanted), &Event::FreezeFailed(fault));
    assert_eq!((record.frost, pending(&record, at(1))), (Frost::Wanted, None));
    let record = meet(&record, &Event::Claimed);
    assert_eq!(pending(&record, at(1)), Some(Action::Thaw), "at once");
}

#[test]
fn one_that_cannot_be_frozen_stays_warm_and_is_looked_at() {
    let mut record = meet(&standby(), &Event::FreezeWanted);
    for second in [1, 10, 20] {
        assert_eq!((record.frost, record.warm_until), (Frost::Wanted, None));
        let fault = Fault { transient: true, message: "no freezer".to_owned() };
        let failed = Event::FreezeFailed(fault);
        record = step(&record, &failed, &Deadlines::default(), at(second)).unwrap().record;
    }
    assert_eq!(pending(&record, at(20)), Some(Action::Thaw), "it may be frozen all the same");
    assert_eq!(record.warm_until, Some(at(20 + 30 * 60)));
    let record = meet(&record, &Event::Thawed(SignedDuration::ZERO));
    let swept = step(&record, &Event::Swept, &Deadlines::default(), at(21)).unwrap();
    assert!(swept.asks.contains(&Action::Probe), "{:?}", swept.asks);
}

#[test]
fn one_that_cannot_be_thawed_fails() {
    let fault = |transient| Fault { transient, message: "no freezer".to_owned() };
    let record = meet(&frozen(), &Event::Claimed);
    let again = meet(&record, &Event::ThawFailed(fault(true)));
    assert_eq!((again.phase, pending(&again, at(9))), (Phase::Standby, Some(Action::Thaw)));
    let failed = meet(&record, &Event::ThawFailed(fault(false)));
    assert_eq!(failed.phase, Phase::Failed);
}

#[test]
fn only_standbys_without_a_credential_are_frozen() {
    let mut booting = standby();
    booting.phase = Phase::Booting;
    for record in [booting, meet(&standby(), &Event::Claimed)] {
        assert!(step(&record, &Event::FreezeWanted, &Deadlines::default(), at(1)).is_err());
    }
}

#[test]
fn a_frozen_one_is_removed_as_it_is() {
    let wanted = Event::RemovalWanted { force: false, reason: "asked".to_owned() };
    let record = meet(&frozen(), &wanted);
    assert_eq!(record.phase, Phase::Deleting);
    assert_eq!(pending(&record, at(1)), Some(Action::Collect { logs: false }));
}
