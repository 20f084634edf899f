//! A record while a step works on it, and the moves that steps are made of.

use jiff::{SignedDuration, Timestamp};

use super::{Action, Deadlines, JournalKind, Phase, Record, Step};
use crate::model::telling;
use crate::model::{
    CloudRunnerState, Failure, Frost, Handover, Health, Mismatch, Removal, Retry, UnhealthyReason,
};

/// The longest pause before an action is repeated.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// How long a deadline is put off at first.
const FIRST_PUT_OFF: SignedDuration = SignedDuration::from_secs(30);
/// How long a deadline is put off at most where somebody did not answer.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_mins(2);
/// How long a deadline is put off at most.
const LONGEST_PUT_OFF: SignedDuration = SignedDuration::from_hours(1);

/// A record while a step works on it.
pub(super) struct Draft<'a> {
    pub(super) record: Record,
    pub(super) deadlines: &'a Deadlines,
    pub(super) now: Timestamp,
    journal: Vec<JournalKind>,
    asks: Vec<Action>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(record: Record, deadlines: &'a Deadlines, now: Timestamp) -> Self {
        Self { record, deadlines, now, journal: Vec::new(), asks: Vec::new() }
    }

    pub(super) fn finish(mut self) -> Step {
        let told = telling::tell(&mut self.record, self.now).into_iter();
        self.journal.extend(told.map(|metric| JournalKind::Metric { metric }));
        if let Some(reason) = self.end() {
            self.record.health = Health::Unhealthy(reason);
        }
        Step { record: self.record, journal: self.journal, asks: self.asks }
    }

    /// Why it is of no use any more, if its life is over.
    fn end(&self) -> Option<UnhealthyReason> {
        let failure = self.record.failure.as_ref();
        match self.record.phase {
            Phase::Gone => Some(UnhealthyReason::Deleted),
            Phase::Finished | Phase::Failed | Phase::Deleting => {
                Some(failure.map_or(UnhealthyReason::Finished, |one| {
                    UnhealthyReason::Failed(one.reason.clone())
                }))
            }
            Phase::Planned
            | Phase::Creating
            | Phase::Booting
            | Phase::Standby
            | Phase::Listening
            | Phase::Busy => None,
        }
    }

    /// Enters a later phase; an earlier one or the same changes nothing.
    pub(super) fn enter(
        &mut self,
        phase: Phase,
        reason: Option<String>,
        guest_at: Option<Timestamp>,
    ) {
        if phase <= self.record.phase {
            return;
        }
        let from = Some(self.record.phase);
        self.record.phase = phase;
        self.record.retry = None;
        self.record.marks.0.entry(phase).or_insert(self.now);
        if matches!(phase, Phase::Listening | Phase::Busy) {
            self.thaw();
        }
        self.journal.push(JournalKind::Phase { phase, from, reason, guest_at });
    }

    pub(super) fn note(&mut self, text: String) {
        self.journal.push(JournalKind::Note { text });
    }

    pub(super) fn mismatch(&mut self, mismatch: Mismatch, text: String) {
        self.journal.push(JournalKind::Mismatch { mismatch, text });
    }

    pub(super) fn tell_metrics(&mut self) {
        if !self.record.metrics_told {
            self.record.metrics_told = true;
            self.journal.push(JournalKind::Metrics { metrics: self.record.metrics.clone() });
        }
    }

    pub(super) fn ask(&mut self, action: Action) {
        // A frozen guest can be asked nothing.
        let mute = action == Action::Probe && self.record.frost.is_cold();
        if !mute && !self.asks.contains(&action) {
            self.asks.push(action);
        }
    }

    /// It cannot be used any more, and no job can be running in it.
    pub(super) fn fail(&mut self, reason: &str) {
        if self.record.phase < Phase::Finished {
            let phase = self.record.phase;
            self.record.failure = Some(Failure { phase, reason: reason.to_owned() });
            self.record.removal = None;
            self.enter(Phase::Failed, Some(reason.to_owned()), None);
        }
    }

    /// It is of no use any more, but a job may have reached it: where that is so, the guest
    /// decides.
    pub(super) fn give_up(&mut self, reason: &str) {
        if self.record.may_be_busy() {
            self.want_removal(false, reason);
        } else {
            self.fail(reason);
        }
    }

    pub(super) fn want_removal(&mut self, force: bool, reason: &str) {
        let stronger = self.record.removal.as_ref().is_none_or(|removal| force && !removal.force);
        if stronger {
            // What was refused before may be refused for ever: it is told once.
            if force || self.record.kept.is_none() {
                self.note(format!("to be removed: {reason}"));
            }
            let reason = reason.to_owned();
            self.record.removal = Some(Removal { since: self.now, force, reason });
            self.record.retry = None;
            self.thaw();
        }
    }

    /// Plans the next try of the action at hand: after 1 s, 2 s, 4 s, up to half a minute.
    pub(super) fn retry_after(&mut self, error: &str) {
        let attempts = self.record.retry.as_ref().map_or(0, |retry| retry.attempts);
        let pause = SignedDuration::from_secs(1 << attempts.min(5)).min(LONGEST_PAUSE);
        self.retry_in(pause, error);
    }

    /// Plans the next try of the action at hand.
    ///
    /// A failure that comes while a try is planned already is an old one.
    pub(super) fn retry_in(&mut self, pause: SignedDuration, error: &str) {
        if self.record.retry.as_ref().is_some_and(|retry| self.now < retry.at) {
            return;
        }
        let attempts = self.record.retry.as_ref().map_or(0, |retry| retry.attempts);
        let at = later(self.now, pause);
        self.record.retry =
            Some(Retry { attempts: attempts.saturating_add(1), at, last_error: error.to_owned() });
    }

    /// Whether the deadline of a part of its life has passed.
    pub(super) fn deadline_passed(&self, phase: Phase) -> bool {
        deadline(&self.record, phase, self.deadlines).is_some_and(|due| due <= self.now)
    }

    /// Asking again at once would only repeat the answer: after half a minute, a minute, two, up to
    /// an hour.
    pub(super) fn put_off_deadline(&mut self) {
        let pause = FIRST_PUT_OFF.saturating_mul(1 << self.record.refusals.min(7));
        self.record.kept_until = Some(later(self.now, pause.min(LONGEST_PUT_OFF)));
    }
}

impl Draft<'_> {
    /// What could not be asked may be asked again soon: it is not the runner that stands in the way.
    pub(super) fn look_again_soon(&mut self) {
        let soon = later(self.now, LONGEST_SILENCE);
        self.record.kept_until = self.record.kept_until.map(|until| until.min(soon));
    }
}

/// When a part of a runner's life has taken too long.
fn deadline(record: &Record, phase: Phase, deadlines: &Deadlines) -> Option<Timestamp> {
    let since = record.since();
    let (from, limit) = match phase {
        // It waits for its turn.
        Phase::Planned => return None,
        Phase::Creating => (since, deadlines.create),
        // As long as LXD does not answer, nobody knows what the guest does.
        Phase::Booting if record.state == CloudRunnerState::Unknown => return None,
        Phase::Booting => (since, deadlines.boot),
        Phase::Standby => match record.handover {
            Handover::Pushing => (record.pushing_since.unwrap_or(since), deadlines.register),
            Handover::Pushed | Handover::Taken => {
                (record.handed_over_at.unwrap_or(since), deadlines.register)
            }
            Handover::None | Handover::Wanted if record.frost == Frost::Thawing => {
                if record.state == CloudRunnerState::Unknown {
                    return None;
                }
                (record.frost_since.unwrap_or(since), deadlines.register)
            }
            Handover::None | Handover::Wanted | Handover::Unknown => return None,
        },
        Phase::Busy => (since, deadlines.job?),
        Phase::Listening | Phase::Finished | Phase::Failed | Phase::Deleting | Phase::Gone => {
            return None;
        }
    };
    Some(later(from, limit).max(record.kept_until.unwrap_or(Timestamp::MIN)))
}

/// When the runner is to be looked at though nothing happens to it; that may have passed.
pub fn next_due(record: &Record, deadlines: &Deadlines) -> Option<Timestamp> {
    dues(record, deadlines).min()
}

/// When it is to be looked at again, once that was done at `now` and has changed nothing.
pub fn next_due_after(record: &Record, deadlines: &Deadlines, now: Timestamp) -> Option<Timestamp> {
    dues(record, deadlines).filter(|at| *at > now).min()
}

fn dues(record: &Record, deadlines: &Deadlines) -> impl Iterator<Item = Timestamp> {
    let retry = record.retry.as_ref().map(|retry| retry.at);
    let told = telling::due(record);
    let is_over = record.phase >= Phase::Finished;
    let held = record.held_until().filter(|_| is_over);
    let limit = deadline(record, record.phase, deadlines).filter(|_| record.removal.is_none());
    let trouble = record.trouble_since.map(|since| later(since, deadlines.trouble_grace));
    let process = record.process_missing_since.map(|since| later(since, deadlines.process_grace));
    let of_life = [limit, trouble, process].map(|at| at.filter(|_| !is_over));
    [retry, told, held].into_iter().chain(of_life).flatten()
}

pub(super) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
