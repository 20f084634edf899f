//! Instances that are held for inspection: how long, and what lets go of them.

use jiff::SignedDuration;

use super::{Move, Outcome, Story, admitted};
use crate::model::{
    Action, Ended, Event, GuestPhase, Hold, Phase, PostJobMetrics, PostJobStatus, Retry, next_due,
    next_due_after, pending,
};

/// A runner that failed at boot, with all that it left collected.
fn failed(keep_failed: Option<SignedDuration>, hold: Option<SignedDuration>) -> Story {
    let mut story = admitted(true);
    story.deadlines.keep_failed = keep_failed;
    if let Some(length) = hold {
        story.meet(&Event::HoldWanted(length));
    }
    for _ in 0..2 {
        story.act_on_record(Outcome::Done);
    }
    let mut report = super::report(GuestPhase::Failed, 9);
    report.detail = Some("no download".into());
    story.meet(&Event::Reported(Box::new(report)));
    assert_eq!(story.record.phase, Phase::Failed);
    story.act_on_record(Outcome::Done);
    assert!(story.record.collected);
    story
}

#[test]
fn a_failed_runner_is_held_for_as_long_as_is_asked_for_and_then_removed() {
    let hour = SignedDuration::from_hours(1);
    for (mut story, asked) in [(failed(Some(hour), None), false), (failed(None, Some(hour)), true)]
    {
        let until = story.now + hour;
        let hold = if asked { Hold::Until(until) } else { Hold::Failed(until) };
        assert_eq!(story.record.hold, Some(hold));
        assert_eq!(pending(&story.record, story.now), None);
        assert_eq!(next_due(&story.record, &story.deadlines), Some(until));
        // Whatever is heard of it meanwhile.
        story.make(&Move::SeenArrives);
        story.make(&Move::Wait { seconds: 3599 });
        assert!(story.world.exists && story.record.is_held(story.now));
        story.make(&Move::Wait { seconds: 1 });
        assert_eq!(pending(&story.record, story.now), Some(Action::Remove));
        story.act_on_record(Outcome::Done);
        assert_eq!(story.record.phase, Phase::Gone);
    }
}

/// A try to remove it was planned before somebody held it: that time comes first, and is not the last.
#[test]
fn what_is_due_later_is_not_forgotten() {
    let mut story = failed(Some(SignedDuration::from_hours(1)), None);
    let (until, at) = (story.record.held_until(), story.now + SignedDuration::from_secs(9));
    story.record.retry = Some(Retry { attempts: 1, at, last_error: "busy".into() });
    assert_eq!(next_due(&story.record, &story.deadlines), Some(at));
    assert_eq!(next_due_after(&story.record, &story.deadlines, at), until);
}

#[test]
fn nothing_holds_a_failed_runner_that_nobody_wants() {
    let story = failed(None, None);
    assert_eq!(pending(&story.record, story.now), Some(Action::Remove));
}

#[test]
fn it_is_let_go_of_at_once() {
    let mut story = failed(Some(SignedDuration::from_hours(1)), None);
    story.meet(&Event::Released);
    assert_eq!(pending(&story.record, story.now), Some(Action::Remove));
    // And may be held again as long as it is there.
    story.meet(&Event::HoldWanted(SignedDuration::from_mins(1)));
    assert_eq!(pending(&story.record, story.now), None);
}

#[test]
fn a_runner_that_ends_well_is_held_only_if_that_was_asked_for() {
    for asked in [false, true] {
        let mut story = admitted(true);
        story.deadlines.keep_failed = Some(SignedDuration::from_hours(1));
        if asked {
            story.meet(&Event::HoldWanted(SignedDuration::from_mins(5)));
        }
        for _ in 0..40 {
            story.go_on();
        }
        assert!(!story.record.ended_badly());
        assert_eq!(story.record.phase == Phase::Gone, !asked);
    }
}

#[test]
fn an_instance_that_is_gone_is_not_held() {
    let mut story = failed(None, None);
    story.act_on_record(Outcome::Done);
    let asked = Event::HoldWanted(SignedDuration::from_mins(1));
    let refused = super::step(&story.record, &asked, &story.deadlines, story.now);
    assert_eq!(refused, Err(super::super::Refused::Gone));
}

/// An idle runner that is ended has the code of a listener that was killed.
#[test]
fn who_ended_well_and_who_did_not() {
    let mut record = admitted(true).record;
    record.phase = Phase::Finished;
    assert!(!record.ended_badly());
    record.exit_code = Some(137);
    assert!(record.ended_badly());
    record.ended = Some(Ended::Idle);
    assert!(!record.ended_badly());
    record.ended = Some(Ended::Killed);
    assert!(record.ended_badly());
    (record.ended, record.exit_code) = (None, Some(0));
    record.oom_kills = 1;
    assert!(record.ended_badly());
    record.oom_kills = 0;
    for (status, badly) in [
        (PostJobStatus::Normal, false),
        (PostJobStatus::RepoPolicyCheckFailure, true),
        (PostJobStatus::ExternalContributorCheckFailure, true),
    ] {
        record.metrics.post_job =
            Some(PostJobMetrics { timestamp: 1.0, status, status_info: None });
        assert_eq!(record.ended_badly(), badly, "{status:?}");
    }
}
