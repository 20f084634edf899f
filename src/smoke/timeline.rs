//! What a smoke run shows while it goes on, and what its figures are computed from: the journal.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::model::{InstanceName, JournalEntry, JournalKind, Phase, Record};

/// One line of the live timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// Seconds since the run began.
    pub elapsed: f64,
    /// The runner.
    pub runner: InstanceName,
    /// The phase it entered.
    pub phase: Phase,
    /// The phase it left.
    pub from: Option<Phase>,
    /// How long it was there, in seconds.
    pub took: Option<f64>,
    /// Why, where there is more to say than the phase itself.
    pub reason: Option<String>,
}

/// When each runner entered each phase: by the host's clock, and by the guest's.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    begin: Option<Timestamp>,
    host: BTreeMap<InstanceName, BTreeMap<Phase, Timestamp>>,
    guest: BTreeMap<InstanceName, BTreeMap<Phase, Timestamp>>,
}

impl Timeline {
    pub(super) fn new(begin: Timestamp) -> Self {
        Self { begin: Some(begin), ..Self::default() }
    }

    /// Takes an entry in; a change of phase is a moment to show.
    pub(super) fn take(&mut self, entry: &JournalEntry) -> Option<Moment> {
        let JournalKind::Phase { phase, from, reason, guest_at } = &entry.what else { return None };
        let runner = entry.runner.as_ref()?;
        let marks = self.host.entry(runner.clone()).or_default();
        let left = from.and_then(|from| marks.get(&from)).copied();
        marks.insert(*phase, entry.at);
        if let Some(at) = guest_at {
            self.guest.entry(runner.clone()).or_default().insert(*phase, *at);
        }
        Some(Moment {
            elapsed: seconds(entry.at.duration_since(self.begin.unwrap_or(entry.at))),
            runner: runner.clone(),
            phase: *phase,
            from: *from,
            took: left.map(|left| seconds(entry.at.duration_since(left))),
            reason: reason.clone(),
        })
    }

    /// From the guest's change of phase to its record on the host's disk, in seconds. Guest and
    /// host share a clock in containers; a virtual machine's may be off by some milliseconds.
    pub(super) fn bells(&self) -> Vec<f64> {
        let mut all = Vec::new();
        for (runner, marks) in &self.guest {
            let Some(host) = self.host.get(runner) else { continue };
            let heard = marks.iter().filter_map(|(phase, at)| Some((*at, *host.get(phase)?)));
            all.extend(heard.map(|(guest, host)| seconds(host.duration_since(guest))));
        }
        all
    }

    /// How long runners stayed in a phase, in seconds.
    pub(super) fn stays(&self, phase: Phase) -> Vec<f64> {
        let stay = |marks: &BTreeMap<Phase, Timestamp>| {
            let entered = marks.get(&phase)?;
            let left = marks.range(phase..).nth(1)?.1;
            Some(seconds(left.duration_since(*entered)))
        };
        self.host.values().filter_map(stay).collect()
    }

    /// The manager's own share of a runner's way from the order to listening, in seconds: the
    /// whole, less LXD's work, the guest's boot and the runner's own start.
    pub(super) fn own_share(&self, record: &Record) -> Option<f64> {
        let host = self.host.get(&record.name)?;
        let guest = self.guest.get(&record.name)?;
        let whole = host.get(&Phase::Listening)?.duration_since(*host.get(&Phase::Planned)?);
        let boot = guest.get(&Phase::Standby)?.duration_since(*host.get(&Phase::Booting)?);
        let start = guest.get(&Phase::Listening)?.duration_since(record.handed_over_at?);
        Some(seconds(whole - record.lxd_took - boot - start))
    }
}

/// The value in the middle.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The largest value.
pub(super) fn largest(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

fn seconds(span: SignedDuration) -> f64 {
    span.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, millis: i64, phase: Phase, from: Option<Phase>) -> JournalEntry {
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let guest_at = (phase == Phase::Standby).then(|| at(millis - 20));
        JournalEntry {
            seq,
            at: at(millis),
            runner: Some("smoke-0123456789ab".parse().unwrap()),
            what: JournalKind::Phase { phase, from, reason: None, guest_at },
        }
    }

    #[test]
    fn durations_come_from_the_journal() {
        let mut timeline = Timeline::new(Timestamp::from_millisecond(1000).unwrap());
        timeline.take(&entry(1, 1000, Phase::Booting, Some(Phase::Creating))).unwrap();
        let moment = timeline.take(&entry(2, 3500, Phase::Standby, Some(Phase::Booting))).unwrap();
        assert_eq!((moment.elapsed, moment.took), (2.5, Some(2.5)));
        assert_eq!(timeline.stays(Phase::Booting), [2.5]);
        assert_eq!(timeline.bells(), [0.02]);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(largest(&[]), None);
    }
}
