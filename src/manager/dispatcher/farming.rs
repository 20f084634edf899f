//! What the farm has decided, carried out.
//!
//! The farm decides from a view that may be old by now: what does not fit any more is left out,
//! and the next plan sees why.

use jiff::Timestamp;

use super::{Batch, Dispatcher};
use crate::manager::command::FarmOrder;
use crate::manager::handle::new_name;
use crate::model::plan::Move;
use crate::model::{Event, JournalKind, Keeper, Mismatch, Purpose, Record, RunnerId, Spec};

impl Dispatcher {
    pub(super) fn carry_out(&mut self, order: FarmOrder, now: Timestamp, batch: &mut Batch) {
        match order {
            FarmOrder::Move(Move::Create { spec, purpose }) => {
                self.plan_runner(spec, purpose, now, batch);
            }
            FarmOrder::Move(Move::Bind { runner, binding }) => {
                self.meet(&runner, &Event::Bound(binding), now, batch);
            }
            FarmOrder::Move(Move::Retire { runner, reason, mismatch }) => {
                self.retire(&runner, reason, mismatch, now, batch);
            }
            FarmOrder::Move(Move::Freeze { runner }) => {
                self.meet(&runner, &Event::FreezeWanted, now, batch);
            }
            FarmOrder::Move(Move::Thaw { runner }) => {
                self.meet(&runner, &Event::ThawWanted, now, batch);
            }
            FarmOrder::Move(Move::Release { runner }) => {
                self.meet(&runner, &Event::Released, now, batch);
            }
            FarmOrder::Recognize { runner, binding, registration } => {
                let event = Event::Recognized { binding, registration };
                self.meet(&runner, &event, now, batch);
            }
            FarmOrder::JobFacts { runner, facts } => {
                self.meet(&runner, &Event::JobKnown(facts), now, batch);
            }
            FarmOrder::Tell { runner, mismatch, text } => {
                self.tell(&runner, JournalKind::Mismatch { mismatch, text }, now, batch);
            }
        }
    }

    fn plan_runner(&mut self, spec: Spec, purpose: Purpose, now: Timestamp, batch: &mut Batch) {
        let name = new_name(&self.rules.prefix);
        let mut record = Record::planned(name, spec, false, now);
        (record.keeper, record.purpose) = (Keeper::Farm, purpose);
        self.equip(&mut record, false);
        self.put_planned(record, now, batch);
    }

    fn retire(
        &mut self,
        runner: &RunnerId,
        reason: String,
        mismatch: Option<Mismatch>,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        let Some(record) = self.records.get(runner) else { return };
        let name = record.name.clone();
        if let Some(mismatch) = mismatch.filter(|_| record.removal.is_none()) {
            let text = format!("{reason}: it is removed unless it has a job");
            self.tell(&name, JournalKind::Mismatch { mismatch, text }, now, batch);
        }
        self.meet(runner, &Event::RemovalWanted { force: false, reason }, now, batch);
    }
}
