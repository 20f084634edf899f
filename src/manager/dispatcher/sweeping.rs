//! The slow sweep: LXD's list compared with the records, and every guest probed of which nothing was
//! heard since the sweep before.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Batch, Dispatcher, Listing, Sweep};
use crate::clock;
use crate::lxd;
use crate::manager::ManagerError;
use crate::manager::command::Reply;
use crate::manager::options::Rules;
use crate::manager::removal::Orphans;
use crate::model::{
    Action, CloudRunnerState, Event, Fault, Handover, InstanceName, JournalKind, Mismatch,
    Observed, Phase, Record, RunnerId, reconciliation, recover, surplus_holds,
};

impl Dispatcher {
    /// Whoever waits for a sweep has all guests probed.
    pub(super) fn begin_sweep(&mut self, reply: Option<Reply<Orphans>>, batch: &mut Batch) {
        let before = clock::now().saturating_sub(self.rules.sweep).ok().filter(|_| reply.is_none());
        batch.compare = true;
        self.forget_gone(batch);
        self.unregister_held();
        self.executor.prune_logs();
        let live = self.records.values().filter(|record| is_asked(record));
        let live = live.filter(|record| before.is_none_or(|at| !has_news(record, at)));
        let probes = live.map(|record| (record.id().clone(), Action::Probe));
        let questions: BTreeSet<_> = probes.collect();
        batch.asks.extend(questions.iter().cloned());
        self.memory.sweeps.extend(reply.map(|reply| Sweep::new(questions, reply)));
    }

    /// What GitHub did not take at first is tried again as long as its instance is held.
    fn unregister_held(&self) {
        let now = clock::now();
        for record in self.records.values().filter(|record| record.is_held(now)) {
            self.executor.begin_unregistering(record);
        }
    }

    /// Strangers' jobs fail as often as they like: only so many are held for that.
    pub(super) fn limit_holds(&mut self, now: Timestamp, batch: &mut Batch) {
        let records = self.records.values().map(AsRef::as_ref);
        let surplus: Vec<_> = surplus_holds(records, now).into_iter().cloned().collect();
        for id in surplus {
            self.meet(&id, &Event::Released, now, batch);
        }
    }

    /// Asks for LXD's list: anew if one is under way, which may be out of date by now.
    pub(super) fn begin_listing(&mut self) {
        self.memory.listing = match self.memory.listing {
            Listing::Idle => {
                for sweep in &mut self.memory.sweeps {
                    sweep.list_is_asked_for();
                }
                self.executor.list();
                Listing::UnderWay
            }
            Listing::UnderWay | Listing::UnderWayAndAgain => Listing::UnderWayAndAgain,
        };
    }

    /// Gone runners are kept for a while for `show` and `logs`, the newest of them.
    pub(super) fn forget_gone(&mut self, batch: &mut Batch) {
        let mut gone: Vec<_> = self
            .records
            .values()
            .filter(|record| record.phase == Phase::Gone)
            .map(|record| (record.since(), record.id().clone()))
            .collect();
        gone.sort();
        let surplus = gone.len().saturating_sub(self.rules.remembered);
        for (_, id) in gone.into_iter().take(surplus) {
            self.records.remove(&id);
            batch.forget.push(id);
        }
    }

    pub(super) fn listed(
        &mut self,
        listed: Result<Vec<Observed>, lxd::Error>,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        let again = self.memory.listing == Listing::UnderWayAndAgain;
        self.memory.listing = Listing::Idle;
        batch.compare |= again;
        match listed {
            Ok(observed) => {
                batch.trouble_changed |= self.memory.lxd_trouble.take().is_some();
                let orphans = self.compare(&observed, now, batch);
                self.tell_of_orphans(&orphans, now, batch);
                for sweep in &mut self.memory.sweeps {
                    sweep.list_is_read(&orphans);
                }
                batch.orphans.extend(orphans);
                if !again {
                    self.tell_of_all(now, batch);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "LXD does not answer");
                self.lxd_is_silent(&error.to_string(), now, batch);
                let hint = error.hint().map(str::to_owned);
                let error = ManagerError::Lxd { message: error.to_string(), hint };
                for sweep in &mut self.memory.sweeps {
                    sweep.list_failed(&error);
                }
            }
        }
    }

    /// Tells monitoring of a slow sweep.
    fn tell_of_all(&mut self, now: Timestamp, batch: &mut Batch) {
        let Some(begun) = self.memory.sweep_began.take() else { return };
        let last = self.memory.reconciled.replace(now).unwrap_or(begun);
        let Rules { pools, prefix, .. } = &self.rules;
        let metric = reconciliation(&self.records, pools, prefix, last, begun, now);
        self.write(None, JournalKind::Metric { metric }, now, batch);
    }

    fn tell_of_orphans(&mut self, orphans: &[InstanceName], now: Timestamp, batch: &mut Batch) {
        for name in orphans {
            if !self.memory.orphans.contains(name) {
                let text = "it is in LXD though its runner was gone: it is removed".to_owned();
                let orphan = JournalKind::Mismatch { mismatch: Mismatch::Orphan, text };
                self.tell(name, orphan, now, batch);
            }
        }
    }

    pub(super) fn orphan_ended(&mut self, name: &InstanceName, result: &Result<bool, Fault>) {
        match result {
            Ok(true) => tracing::info!(runner = %name, "orphan removed"),
            Ok(false) => {}
            // The next sweep finds it again.
            Err(Fault { message, .. }) => {
                tracing::warn!(runner = %name, error = %message, "orphan not removed");
            }
        }
        self.memory.orphans.remove(name);
        for sweep in &mut self.memory.sweeps {
            sweep.orphan_ended(name, result);
        }
    }

    /// Begins to remove orphans, each once.
    pub(super) fn remove_orphans(&mut self, orphans: Vec<InstanceName>) {
        for name in orphans {
            if self.memory.orphans.insert(name.clone()) {
                self.executor.remove_orphan(name);
            }
        }
    }

    pub(super) fn lxd_is_silent(&mut self, why: &str, now: Timestamp, batch: &mut Batch) {
        self.memory.lxd_trouble = Some(why.to_owned());
        batch.trouble_changed = true;
        let live: Vec<_> =
            self.records.values().filter(|one| one.is_live()).map(|one| one.id().clone()).collect();
        for id in live {
            self.meet(&id, &Event::Seen(CloudRunnerState::Unknown), now, batch);
        }
    }

    /// Brings records in line with LXD's list; returns the orphans in it.
    fn compare(
        &mut self,
        observed: &[Observed],
        now: Timestamp,
        batch: &mut Batch,
    ) -> Vec<InstanceName> {
        let credentials = self.memory.credentials.keys().cloned().collect();
        let found = recover(&self.records, observed, &credentials, &self.rules.prefix, now);
        for mut record in found.adopted {
            self.equip(&mut record, true);
            let text = "found in LXD with our keys: adopted".to_owned();
            let orphan = JournalKind::Mismatch { mismatch: Mismatch::Orphan, text };
            self.put(record, vec![orphan], now, batch);
        }
        for (id, event) in found.events {
            self.meet(&id, &event, now, batch);
        }
        batch.asks.extend(found.asks);
        found.orphans
    }

    pub(super) fn answer_sweeps(&mut self) {
        let live = |id: &RunnerId| self.records.get(id).is_some_and(|one| is_asked(one));
        let (done, open): (Vec<_>, Vec<_>) =
            self.memory.sweeps.drain(..).partition(|sweep| sweep.is_over(live));
        self.memory.sweeps = open;
        if !done.is_empty() {
            self.forget_spare_tokens();
        }
        for sweep in done {
            sweep.answer();
        }
    }

    /// A sweep's remove token is kept for whoever it may remove; those who stay have no use for it.
    fn forget_spare_tokens(&mut self) {
        let Self { records, memory, .. } = self;
        let wanted = |id: &RunnerId| records.get(id).is_some_and(|one| wants_token(one));
        if memory.sweeps.is_empty() {
            memory.remove_tokens.retain(|id, _| wanted(id));
        }
    }
}

/// Whether it has come further since then. A probe takes a guest's CPU time, which one that boots has
/// none to spare of.
fn has_news(record: &Record, since: Timestamp) -> bool {
    record.since() > since && record.handover != Handover::Unknown
}

/// Whether its guest is asked for its health: a frozen one does not answer.
fn is_asked(record: &Record) -> bool {
    record.is_live() && !record.frost.is_cold()
}

/// Whether a remove token may yet be used: the runner is being removed or has ended, and what it
/// left is not collected.
pub(super) fn wants_token(record: &Record) -> bool {
    !record.collected && (record.removal.is_some() || record.phase >= Phase::Finished)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InstanceType, Spec};

    #[test]
    fn a_guest_has_news_until_a_sweep_after_its_last_phase() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let name = "larm-0123456789ab".parse().unwrap();
        let spec = Spec::new("web", "debian", InstanceType::Container);
        let mut record = Record::planned(name, spec, false, at(0));
        record.phase = Phase::Booting;
        record.marks.0.insert(Phase::Booting, at(30));
        assert!(has_news(&record, at(29)));
        assert!(!has_news(&record, at(30)));
        record.handover = Handover::Unknown;
        assert!(!has_news(&record, at(29)), "its record was rebuilt: the guest is to be asked");
    }
}
