//! What others ask of the dispatcher.

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::{Batch, Dispatcher};
use crate::manager::command::{Command, Reply};
use crate::manager::handle::new_name;
use crate::manager::{CreateOrder, ManagerError};
use crate::model::{Event, JournalKind, Phase, Record, Refused, RunnerId};

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
            Command::Remove { id, force, token, reply } => {
                let reason = if force { "removal was forced" } else { "removal was asked for" };
                let event = Event::RemovalWanted { force, reason: reason.to_owned() };
                let result = self.try_meet(&id, &event, now, batch);
                if let (Ok(()), Some(token)) = (&result, token) {
                    self.memory.remove_tokens.insert(id, token);
                }
                batch.replies.push((reply, result));
            }
            Command::Sweep { token, reply } => {
                self.keep_remove_token(token);
                self.begin_sweep(Some(reply), batch);
            }
        }
    }

    /// Which runners a sweep will remove is not known yet: the token waits for any of them.
    fn keep_remove_token(&mut self, token: Option<SecretString>) {
        let Some(token) = token else { return };
        for id in self.records.keys() {
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
        let record = Record::planned(name, spec, order.credential.is_some(), now);
        if let Some(credential) = order.credential {
            self.memory.credentials.insert(id.clone(), credential);
        }
        self.memory.creations.insert(id.clone(), reply);
        let planned =
            JournalKind::Phase { phase: Phase::Planned, from: None, reason: None, guest_at: None };
        self.put(record, vec![planned], now, batch);
        self.meet(&id, &Event::Admitted, now, batch);
    }

    pub(super) fn answer_creation(&mut self, id: &RunnerId, record: &Record) {
        if !record.made && record.phase < Phase::Finished {
            return;
        }
        let Some(reply) = self.memory.creations.remove(id) else { return };
        let result = match &record.failure {
            Some(failure) if !record.made => {
                let (name, reason) = (record.name.clone(), failure.reason.clone());
                Err(ManagerError::Failed { name, reason })
            }
            _ => Ok(id.clone()),
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
        Refused::NotStandby => ManagerError::Refused {
            name: record.name.clone(),
            phase: record.phase,
            reason: refused.to_string(),
        },
    }
}
