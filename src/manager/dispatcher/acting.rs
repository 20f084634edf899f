//! What follows from records: actions handed out, questions asked, watches armed, timers set.

use std::sync::Arc;

use jiff::Timestamp;

use super::requests::send;
use super::sweeping::wants_token;
use super::{Batch, Dispatcher};
use crate::manager::executor::Order;
use crate::model::{
    Action, Deadlines, Event, Phase, Record, RunnerId, is_watched, next_due, next_due_after,
    pending,
};

impl Dispatcher {
    pub(super) fn answered(
        &mut self,
        id: &RunnerId,
        action: Action,
        event: &Event,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        if action == Action::Install {
            self.memory.installing.remove(id);
        } else if action.is_query() {
            self.memory.asking.remove(&(id.clone(), action));
        } else {
            self.memory.acting.remove(id);
        }
        self.meet(id, event, now, batch);
        batch.kick.push(id.clone());
        for sweep in &mut self.memory.sweeps {
            sweep.questions.remove(&(id.clone(), action));
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.memory.due.values().min().copied()
    }

    /// A runner that is due is looked at once for each thing that is due of it.
    pub(super) fn meet_due(&mut self, now: Timestamp, batch: &mut Batch) {
        let due: Vec<_> = self.memory.due.iter().filter(|(_, at)| **at <= now).collect();
        let due: Vec<_> = due.into_iter().map(|(id, _)| id.clone()).collect();
        for id in due {
            self.memory.due.remove(&id);
            self.meet(&id, &Event::Due, now, batch);
            self.set_due(&id, |record, deadlines| next_due_after(record, deadlines, now));
            batch.kick.push(id);
        }
    }

    fn set_due(&mut self, id: &RunnerId, when: impl Fn(&Record, &Deadlines) -> Option<Timestamp>) {
        let record = self.records.get(id);
        match record.and_then(|record| when(record, self.rules.deadlines_of(record))) {
            Some(at) => self.memory.due.insert(id.clone(), at),
            None => self.memory.due.remove(id),
        };
    }

    pub(super) fn act_on(&mut self, batch: Batch, now: Timestamp) {
        for (reply, result) in batch.replies {
            send(reply, result);
        }
        if batch.kick_all {
            for (id, record) in self.records.clone() {
                self.tend(&id, &record, now);
            }
        }
        for (id, record) in &batch.changed {
            self.tend(id, record, now);
        }
        for id in batch.kick {
            self.act_next(&id, now);
        }
        for (id, action) in batch.asks {
            self.ask(id, action);
        }
        self.remove_orphans(batch.orphans);
        if batch.compare {
            self.begin_listing();
        }
        self.answer_sweeps();
    }

    /// Brings everything about a runner in line with its record.
    pub(super) fn tend(&mut self, id: &RunnerId, record: &Arc<Record>, now: Timestamp) {
        self.set_due(id, next_due);
        // What a runner that failed before it listened has left is masked by it.
        if (Phase::Listening..=Phase::Finished).contains(&record.phase) || record.collected {
            self.memory.credentials.remove(id);
        }
        if record.is_held(now) {
            self.executor.begin_unregistering(record);
        }
        if record.collected || (self.memory.sweeps.is_empty() && !wants_token(record)) {
            self.memory.remove_tokens.remove(id);
        }
        self.answer_creation(id, record);
        self.tend_installation(id, record);
        self.watches.set(record, is_watched(record));
        self.act_next(id, now);
    }

    /// Hands out what the record says is to be done next.
    fn act_next(&mut self, id: &RunnerId, now: Timestamp) {
        let Some(record) = self.records.get(id).map(Arc::clone) else { return };
        if let Some(action) = pending(&record, now) {
            self.act(id, &record, action);
        }
    }

    pub(super) fn act(&mut self, id: &RunnerId, record: &Arc<Record>, action: Action) {
        if self.memory.acting.contains_key(id) || self.drain.is_cancelled() {
            return;
        }
        if action == Action::Install {
            return self.install(id, record);
        }
        // The probe would hang; its answer comes by here again.
        let probes = self.memory.asking.contains(&(id.clone(), Action::Probe));
        if action == Action::Freeze && probes {
            return;
        }
        let mut order = Order::new(record, action);
        match action {
            Action::HandOver if record.binding.is_none() => {
                let Some(credential) = self.memory.credentials.get(id) else { return };
                order.credential = Some(credential.clone());
            }
            Action::Collect { .. } => {
                order.credential = self.memory.credentials.get(id).cloned();
                order.remove_token = self.memory.remove_tokens.get(id).cloned();
            }
            // GitHub gives the credential of a runner with a binding.
            Action::HandOver
            | Action::Create
            | Action::Start
            | Action::Install
            | Action::Freeze
            | Action::Thaw
            | Action::Quiesce { .. }
            | Action::Remove
            | Action::Inspect
            | Action::Probe => {}
        }
        self.memory.acting.insert(id.clone(), action);
        self.executor.run(order);
    }

    pub(super) fn ask(&mut self, id: RunnerId, action: Action) {
        let Some(record) = self.records.get(&id) else { return };
        // From its end on a runner's instance is only waited for to go.
        let over = record.phase >= Phase::Finished || self.drain.is_cancelled();
        let mute = action == Action::Probe && record.frost.is_cold();
        if over || mute || !self.memory.asking.insert((id, action)) {
            return;
        }
        self.executor.run(Order::new(record, action));
    }
}
