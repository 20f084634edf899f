//! A life without bad luck, and news that come late.

use jiff::{SignedDuration, Timestamp};

use super::super::{Refused, step};
use super::{admitted, report};
use crate::model::{Event, GuestPhase, Phase};

#[test]
fn a_whole_life_needs_no_luck() {
    let mut story = admitted(true);
    let mut phases = vec![story.record.phase];
    for _ in 0..40 {
        story.go_on();
        if phases.last() != Some(&story.record.phase) {
            phases.push(story.record.phase);
        }
    }
    assert_eq!(phases.last(), Some(&Phase::Gone));
    assert!(phases.contains(&Phase::Listening) && phases.contains(&Phase::Busy), "{phases:?}");
    assert_eq!(story.record.metrics.installed_timestamp, Some(0.0));
    assert_eq!(story.record.exit_code, Some(0));
}

#[test]
fn a_busy_runner_refuses_an_unforced_removal() {
    let mut story = admitted(true);
    story.record.phase = Phase::Busy;
    let asked = Event::RemovalWanted { force: false, reason: "asked".into() };
    assert_eq!(step(&story.record, &asked, &story.deadlines, story.now), Err(Refused::Busy));
}

#[test]
fn phases_that_were_missed_are_marked_within_the_hosts_clock() {
    let mut story = admitted(true);
    story.meet(&Event::Created(SignedDuration::ZERO));
    story.meet(&Event::Started(SignedDuration::ZERO));
    story.now += SignedDuration::from_secs(9);
    let mut late = report(GuestPhase::Busy, 5);
    late.reached.insert(GuestPhase::Ready, Timestamp::MAX);
    late.reached.insert(GuestPhase::Listening, Timestamp::MIN);
    story.meet(&Event::Reported(Box::new(late)));
    let marks = story.record.marks.0.clone();
    assert!(marks[&Phase::Booting] <= marks[&Phase::Standby]);
    assert!(marks[&Phase::Standby] <= marks[&Phase::Listening]);
    assert!(marks[&Phase::Listening] <= marks[&Phase::Busy]);
}
