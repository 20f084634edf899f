//! What the guest tells of itself. It is only ever believed forwards.

use jiff::Timestamp;

use super::super::record::seconds;
use super::draft::Draft;
use super::{Handover, Phase};
use crate::model::{Ended, Found, GuestPhase, GuestReport, RunnerMetrics};

/// How wrong a guest's clock may be, in seconds.
const CLOCK_SLACK: f64 = 86_400.0;

impl Draft<'_> {
    pub(super) fn reported(&mut self, report: &GuestReport) {
        if self.record.phase >= Phase::Deleting {
            return;
        }
        self.learn_metrics(report);
        if report.seq < self.record.guest_seq || self.record.phase >= Phase::Finished {
            return;
        }
        self.record.guest_seq = report.seq;
        self.learn_hand_over(report);
        self.learn_application(report);
        self.advance(report);
        self.begin_hand_over();
    }

    pub(super) fn learn_metrics(&mut self, report: &GuestReport) {
        let RunnerMetrics { installed_timestamp, pre_job, post_job, .. } = &mut self.record.metrics;
        let ready = report.reached.get(&GuestPhase::Ready);
        *installed_timestamp = installed_timestamp.or(ready.map(|at| seconds(*at)));
        let begin = self.record.marks.0.values().min().copied().unwrap_or(self.now);
        let plausible = seconds(begin) - CLOCK_SLACK..=seconds(self.now) + CLOCK_SLACK;
        let pre = dated(&report.pre_job, |job| plausible.contains(&job.timestamp));
        let post = dated(&report.post_job, |job| plausible.contains(&job.timestamp));
        let corrupt =
            [learn(pre_job, &pre, "pre-job metrics"), learn(post_job, &post, "post-job metrics")];
        for text in corrupt.into_iter().flatten() {
            if !self.record.corrupt.contains(&text) && self.record.corrupt.len() < 3 {
                self.note(format!("its guest left corrupt {text}"));
                self.record.corrupt.push(text);
            }
        }
        self.record.exit_code = self.record.exit_code.or(report.exit_code);
        self.record.oom_kills = self.record.oom_kills.max(report.oom_kills);
    }

    fn learn_hand_over(&mut self, report: &GuestReport) {
        let claimed = (GuestPhase::Claimed..=GuestPhase::Finished).contains(&report.phase)
            || report.reached.contains_key(&GuestPhase::Claimed);
        if claimed {
            self.record.handover = Handover::Taken;
            self.record.handed_over_at.get_or_insert(self.now);
            self.thaw();
        } else if self.record.handover == Handover::Unknown {
            self.record.handover = Handover::None;
        }
    }

    fn advance(&mut self, report: &GuestReport) {
        let at = |phase| report.reached.get(&phase).copied();
        match report.phase {
            GuestPhase::Preparing => {}
            GuestPhase::Ready | GuestPhase::Claimed => {
                self.arrive(Phase::Standby, at(GuestPhase::Ready));
            }
            GuestPhase::Listening => {
                self.pass(Phase::Standby, at(GuestPhase::Ready));
                self.arrive(Phase::Listening, at(GuestPhase::Listening));
            }
            GuestPhase::Busy => {
                self.pass(Phase::Standby, at(GuestPhase::Ready));
                self.pass(Phase::Listening, at(GuestPhase::Listening));
                self.arrive(Phase::Busy, at(GuestPhase::Busy));
            }
            GuestPhase::Finished => {
                self.pass(Phase::Standby, at(GuestPhase::Ready));
                self.pass(Phase::Listening, at(GuestPhase::Listening));
                self.pass(Phase::Busy, at(GuestPhase::Busy));
                self.record.ended = self.record.removal.take().as_ref().map(Ended::by);
                self.started();
                let why = report.detail.clone();
                self.enter(Phase::Finished, why, at(GuestPhase::Finished));
            }
            GuestPhase::Failed => {
                let detail = report.detail.as_deref().unwrap_or("its guest failed");
                self.fail(detail);
            }
        }
    }

    /// A guest that speaks runs, whatever became of the answer to its start.
    fn arrive(&mut self, phase: Phase, guest_at: Option<Timestamp>) {
        self.started();
        self.enter(phase, None, guest_at);
    }

    /// Marks a phase that was over before it was seen, by the guest's clock within what the
    /// host's clock allows.
    fn pass(&mut self, phase: Phase, guest_at: Option<Timestamp>) {
        let Some(at) = guest_at.filter(|_| self.record.phase < phase) else { return };
        let earliest = self.record.marks.0.values().max().copied().unwrap_or(self.now);
        let at = at.clamp(earliest.min(self.now), self.now);
        self.record.marks.0.entry(phase).or_insert(at);
        self.enter(phase, None, guest_at);
    }
}

/// A file's content, unless its time is none that a guest's clock could have shown.
fn dated<T: Clone>(found: &Found<T>, plausible: impl Fn(&T) -> bool) -> Found<T> {
    match found {
        Found::Present(value) if !plausible(value) => {
            Found::Corrupt("its timestamp is not of the runner's life".to_owned())
        }
        Found::Present(_) | Found::Absent | Found::Corrupt(_) => found.clone(),
    }
}

/// Takes over a value once; says what is wrong with it if it is corrupt.
fn learn<T: Clone>(known: &mut Option<T>, found: &Found<T>, what: &str) -> Option<String> {
    match found {
        Found::Absent => None,
        Found::Present(value) => {
            known.get_or_insert_with(|| value.clone());
            None
        }
        Found::Corrupt(_) if known.is_some() => None,
        Found::Corrupt(why) => Some(format!("{what}: {why}")),
    }
}
