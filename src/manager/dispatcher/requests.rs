//! What others ask of the dispatcher.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::sweeping::wants_token;
use super::{Batch, Dispatcher};
use crate::manager::command::{Command, Reply};
use crate::manager::handle::new_name;
use crate::manager::{CreateOrder, ManagerError};
use crate::model::{Action, Event, Handover, JournalKind, Phase, Record, Refused, RunnerId};

impl Dispatcher {
    pub(super) fn command(&mut self, command: Command, now: Timestamp, batch: &mut Batch) {
        match command {
            Command::Create { order, reply } => self.create(*order, reply, now, batch),
            Command::Give { id, credential, reply } => {
                let result = self.try_meet(&id, &Event::Claimed, now, batch);
                if result.is_ok() {
                    self.memory.credentials.insert(id, credential);
                }
                batch.replies.push((reply, result));
            }
            Command::Hold { id, length, reply } => {
                let result = self.hold(&id, length, now, batch);
                batch.replies.push((reply, result));
            }
            Command::Remove { id, force, token, release, reply } => {
                let reason = if force { "removal was forced" } else { "removal was asked for" };
                let event = Event::RemovalWanted { force, reason: reason.to_owned() };
                let result = self.try_meet(&id, &event, now, batch);
                if result.is_ok() && release {
                    self.meet(&id, &Event::Released, now, batch);
                }
                if let (Ok(()), Some(token)) = (&result, token)
                    && self.records.get(&id).is_some_and(|record| wants_token(record))
                {
                    self.memory.remove_tokens.insert(id, token);
                }
                batch.replies.push((reply, result));
            }
            Command::Carry { orders, reply } => {
                for order in orders {
                    self.carry_out(order, now, batch);
                }
                batch.replies.push((reply, Ok(())));
            }
            Command::Pools { pools, reply } => {
                self.rules.pools = pools;
                // Their deadlines may be others now.
                batch.kick_all = true;
                batch.replies.push((reply, Ok(())));
            }
            Command::Sweep { token, reply } => {
                self.keep_remove_token(token);
                self.begin_sweep(Some(reply), batch);
            }
        }
    }

    /// Holds an instance for so long once its runner has ended, or lets go of it.
    fn hold(
        &mut self,
        id: &RunnerId,
        length: Option<SignedDuration>,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), ManagerError> {
        let Some(length) = length else {
            return self.try_meet(id, &Event::Released, now, batch);
        };
        if self.memory.acting.get(id) == Some(&Action::Remove)
            && let Some(record) = self.records.get(id)
        {
            let reason = "its instance is being deleted".to_owned();
            return Err(ManagerError::Refused {
                name: record.name.clone(),
                phase: record.phase,
                reason,
            });
        }
        self.try_meet(id, &Event::HoldWanted(length), now, batch)
    }

    /// Which runners a sweep will remove is not known yet: the token waits for any of them.
    fn keep_remove_token(&mut self, token: Option<SecretString>) {
        let Some(token) = token else { return };
        for (id, _) in self.records.iter().filter(|(_, record)| !record.collected) {
            self.memory.remove_tokens.insert(id.clone(), token.clone());
        }
    }

    pub(super) fn create(
        &mut self,
        order: CreateOrder,
        reply: Reply<RunnerId>,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        let there = self.records.values().filter(|record| record.phase < Phase::Gone).count();
        if self.rules.max_runners.is_some_and(|most| there >= most) {
            return send(reply, Err(ManagerError::Full(there)));
        }
        let name = order.name.unwrap_or_else(|| new_name(&self.rules.prefix));
        let id = name.id().clone();
        if self.records.contains_key(&id) || *name.prefix() != self.rules.prefix {
            let reason = "its name is taken, or not one of this manager's".to_owned();
            return send(reply, Err(ManagerError::Failed { name, reason }));
        }
        let spec = order.spec.unwrap_or_else(|| self.rules.spec.clone());
        let mut record = Record::planned(name, spec, order.credential.is_some(), now);
        self.equip(&mut record, false);
        if let Some(credential) = order.credential {
            self.memory.credentials.insert(id.clone(), credential);
        }
        self.memory.creations.insert(id.clone(), reply);
        self.put_planned(record, now, batch);
    }

    pub(super) fn put_planned(&mut self, record: Record, now: Timestamp, batch: &mut Batch) {
        let planned =
            JournalKind::Phase { phase: Phase::Planned, from: None, reason: None, guest_at: None };
        self.put(record, vec![planned], now, batch);
    }

    /// Lets those begin that wait for their turn, what is awaited before what is spare and then the
    /// oldest: so many are made at once as LXD is given to
    /// do, and the time of each is counted from its own beginning.
    pub(super) fn admit(&mut self, now: Timestamp, batch: &mut Batch) {
        let in_phase = |phase| self.records.values().filter(move |record| record.phase == phase);
        let free = self.parallel.saturating_sub(in_phase(Phase::Creating).count());
        if free == 0 || self.drain.is_cancelled() {
            return;
        }
        let mut planned: Vec<_> = in_phase(Phase::Planned)
            .filter(|record| !self.has_lost_credential(record) && !self.lacks_application(record))
            .map(|record| (record.purpose, record.created_at(), record.id().clone()))
            .collect();
        planned.sort();
        for (_, _, id) in planned.into_iter().take(free) {
            self.meet(&id, &Event::Admitted, now, batch);
        }
    }

    /// The manager that had it ended; the list of instances that comes next settles it.
    fn has_lost_credential(&self, record: &Record) -> bool {
        record.handover == Handover::Wanted
            && record.binding.is_none()
            && !self.memory.credentials.contains_key(record.id())
    }

    pub(super) fn answer_creation(&mut self, id: &RunnerId, record: &Record) {
        if !record.made && record.phase < Phase::Finished {
            return;
        }
        let Some(reply) = self.memory.creations.remove(id) else { return };
        let result = match &record.failure {
            _ if record.made => Ok(id.clone()),
            failure => {
                let removed = || "it was removed before LXD had made it".to_owned();
                let reason = failure.as_ref().map_or_else(removed, |one| one.reason.clone());
                Err(ManagerError::Failed { name: record.name.clone(), reason })
            }
        };
        send(reply, result);
    }
}

/// Nobody may be waiting for the answer any more.
pub(super) fn send<T>(
    reply: oneshot::Sender<Result<T, ManagerError>>,
    result: Result<T, ManagerError>,
) {
    if reply.send(result).is_err() {
        tracing::debug!("nobody waits for the answer any more");
    }
}

pub(super) fn refusal(record: &Record, refused: &Refused) -> ManagerError {
    match refused {
        Refused::Busy => ManagerError::Busy(record.name.clone()),
        Refused::NotStandby | Refused::Gone => ManagerError::Refused {
            name: record.name.clone(),
            phase: record.phase,
            reason: refused.to_string(),
        },
    }
}
