//! A guest that waits for the runner application, and a push that may fail.

use jiff::SignedDuration;

use super::{Outcome, Story, admitted, admitted_with, report, spec};
use crate::model::{
    Action, Application, Event, Fault, GuestPhase, Keeper, Phase, Record, is_install_over, pending,
};

/// A story whose guest waits for the application, with the deadline for boots in a minute.
fn waiting_for_application() -> Story {
    let mut story = admitted_with(true, Application::Wanted);
    story.deadlines.boot = SignedDuration::from_mins(1);
    story.act_on_record(Outcome::Done);
    story.act_on_record(Outcome::Done);
    assert_eq!(pending(&story.record, story.now), Some(Action::Install));
    story
}

#[test]
fn a_life_begins_with_the_push_of_the_application() {
    let mut story = admitted_with(true, Application::Wanted);
    for _ in 0..40 {
        story.go_on();
    }
    assert_eq!(story.record.phase, Phase::Gone);
    assert_eq!(story.record.failure, None);
    assert_eq!(story.record.application, Application::Pushed);
    assert_eq!(story.record.application_version.as_deref(), Some("2.330.0"));
}

#[test]
fn a_guest_that_is_ready_has_the_application_though_the_answer_to_its_push_was_lost() {
    let mut story = waiting_for_application();
    story.act_on_record(Outcome::Lost);
    assert_eq!(story.record.application, Application::Wanted);
    story.meet(&Event::Reported(Box::new(report(GuestPhase::Ready, 2))));
    assert_eq!(
        (story.record.phase, story.record.application),
        (Phase::Standby, Application::Pushed)
    );
    let late = Event::Installed { version: "2.1.0".into(), took: SignedDuration::ZERO };
    story.meet(&late);
    assert_eq!(story.record.application_version.as_deref(), Some("2.1.0"));
}

#[test]
fn a_push_is_tried_each_second_until_the_boot_takes_too_long() {
    let mut story = waiting_for_application();
    for _ in 0..50 {
        story.act_on_record(Outcome::Transient);
        assert_eq!(pending(&story.record, story.now), None);
        story.now += SignedDuration::from_secs(1);
        assert_eq!(pending(&story.record, story.now), Some(Action::Install));
    }
    assert_eq!(story.record.phase, Phase::Booting);
    for _ in 0..4 {
        story.wait(40);
    }
    let reason = story.record.failure.unwrap().reason;
    assert_eq!(reason, "the runner application was not pushed in time: database is locked");
}

#[test]
fn a_push_that_can_never_succeed_fails_the_runner() {
    let mut story = waiting_for_application();
    story.act_on_record(Outcome::Permanent);
    assert_eq!(story.record.phase, Phase::Failed);
}

/// Breaking off the push is answered with a failure, which must not hold up the removal.
#[test]
fn a_removal_does_not_wait_for_the_push() {
    let mut story = waiting_for_application();
    story.meet(&Event::RemovalWanted { force: false, reason: "asked".into() });
    assert!(is_install_over(&story.record));
    let fault = Fault { transient: true, message: "broken off".into() };
    story.meet(&Event::InstallFailed(fault));
    assert_eq!(pending(&story.record, story.now), Some(Action::Collect { logs: false }));
}

#[test]
fn a_runner_that_was_found_gets_the_application_once_its_guest_says_that_it_waits() {
    for (phase, application) in [
        (GuestPhase::Preparing, Application::Wanted),
        (GuestPhase::Listening, Application::Pushed),
        (GuestPhase::Failed, Application::Unknown),
    ] {
        let mut story = admitted(false);
        let name = story.record.name.clone();
        story.record = Record::adopted(name, spec(), Keeper::Person, story.now);
        story.record.application = Application::Unknown;
        assert_eq!(pending(&story.record, story.now), None);
        story.meet(&Event::Reported(Box::new(report(phase, 1))));
        assert_eq!(story.record.application, application, "{phase:?}");
    }
}
