//! The slow sweep: LXD's list compared with the records, and every guest probed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::requests::send;
use super::{Batch, Dispatcher, Sweep};
use crate::manager::command::Reply;
use crate::model::{
    Action, CloudRunnerState, Event, JournalKind, Observed, Phase, RunnerId, recover,
};

impl Dispatcher {
    pub(super) fn begin_sweep(&mut self, reply: Option<Reply<()>>, batch: &mut Batch) {
        batch.compare = true;
        self.forget_gone(batch);
        let live = self.records.values().filter(|record| record.is_live());
        let probes = live.map(|record| (record.id().clone(), Action::Probe));
        let open: BTreeSet<_> = probes.collect();
        batch.asks.extend(open.iter().cloned());
        if let Some(reply) = reply {
            self.memory.sweeps.push(Sweep { listed: false, open, reply });
        }
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
        listed: Result<Vec<Observed>, String>,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        self.memory.listing = false;
        match listed {
            Ok(observed) => {
                batch.trouble_changed |= self.memory.lxd_trouble.take().is_some();
                self.compare(&observed, now, batch);
            }
            Err(why) => {
                tracing::warn!(%why, "LXD does not answer");
                self.lxd_is_silent(&why, now, batch);
            }
        }
        for sweep in &mut self.memory.sweeps {
            sweep.listed = true;
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

    pub(super) fn compare(&mut self, observed: &[Observed], now: Timestamp, batch: &mut Batch) {
        let credentials = self.memory.credentials.keys().cloned().collect();
        let found = recover(&self.records, observed, &credentials, &self.rules.prefix, now);
        for record in found.adopted {
            tracing::warn!(runner = %record.name, "found in LXD and in no record: adopted");
            let adopted = JournalKind::Note { text: "found in LXD with our keys: adopted".into() };
            self.put(record, vec![adopted], now, batch);
        }
        for (id, event) in found.events {
            self.meet(&id, &event, now, batch);
        }
        batch.asks.extend(found.asks);
        batch.orphans.extend(found.orphans);
    }

    pub(super) fn answer_sweeps(&mut self) {
        let live = |id: &RunnerId| self.records.get(id).is_some_and(|one| one.is_live());
        let over = |sweep: &Sweep| sweep.listed && !sweep.open.iter().any(|(id, _)| live(id));
        let (done, open): (Vec<_>, Vec<_>) = self.memory.sweeps.drain(..).partition(over);
        self.memory.sweeps = open;
        for sweep in done {
            send(sweep.reply, Ok(()));
        }
    }
}
