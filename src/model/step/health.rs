//! What a probe found, and what follows from the runner's health.

use super::Phase;
use super::draft::Draft;
use crate::model::{
    CloudInitStatus, Health, Mismatch, ProbeReading, UnhealthyReason, Vitals, judge,
};

impl Draft<'_> {
    pub(super) fn probed(&mut self, probe: &Result<ProbeReading, String>) {
        // A frozen guest does not answer.
        let mute = probe.is_err() && self.record.frost.is_cold();
        if !self.record.is_live() || mute {
            return;
        }
        let missing =
            probe.as_ref().is_ok_and(|reading| reading.runner_started && !reading.runner_process);
        let since = self.record.process_missing_since.unwrap_or(self.now);
        self.record.process_missing_since = missing.then_some(since);
        self.record.probe = Some(probe.clone());
        self.judge();
        if let Health::Unhealthy(reason) = self.record.health.clone() {
            self.treat(&reason);
        }
        let last = self.record.last_probe.take();
        if last.is_some() && self.record.phase == Phase::Booting {
            self.give_up(&self.boot_reason());
        }
    }

    pub(super) fn judge(&mut self) {
        let record = &self.record;
        let vitals = Vitals {
            state: record.state,
            phase: record.phase,
            // What waits for its turn is not late.
            created: record.marks.0.get(&Phase::Creating).copied().unwrap_or(self.now),
            started: record.marks.0.get(&Phase::Booting).copied(),
            probe: record.probe.as_ref(),
            process_missing_since: record.process_missing_since,
            frozen: record.frost.is_cold(),
        };
        self.record.health = judge(&vitals, self.deadlines, self.now);
    }

    fn treat(&mut self, reason: &UnhealthyReason) {
        // Stopped, frozen and faulty instances have a grace of their own.
        if matches!(
            reason,
            UnhealthyReason::Stopped | UnhealthyReason::InstanceError | UnhealthyReason::Deleted
        ) {
            return;
        }
        let ended = self.process_gone();
        if self.record.phase == Phase::Busy && !ended {
            self.note_once(reason);
        } else if ended && self.is_done() {
            self.record.removal = None;
            self.enter(Phase::Finished, Some("cloud-init is done".to_owned()), None);
        } else if ended || !self.record.may_be_busy() {
            if ended {
                let text = "no process in it runs jobs: it is removed".to_owned();
                self.mismatch(Mismatch::Zombie, text);
            }
            self.fail(&reason.to_string());
        } else {
            self.give_up(&reason.to_string());
        }
    }

    /// Whether a runner was started and is seen to run no more.
    fn process_gone(&self) -> bool {
        matches!(&self.record.probe,
            Some(Ok(reading)) if reading.runner_started && !reading.runner_process)
    }

    fn is_done(&self) -> bool {
        matches!(&self.record.probe,
            Some(Ok(reading)) if reading.cloud_init.status == CloudInitStatus::Done)
    }

    /// A job that runs goes on, whatever cloud-init says of the boot.
    fn note_once(&mut self, reason: &UnhealthyReason) {
        let text = format!("unhealthy ({reason}), but its job runs: it is kept");
        if !self.record.corrupt.contains(&text) && self.record.corrupt.len() < 6 {
            self.record.corrupt.push(text.clone());
            self.note(text);
        }
    }
}
