//! The ends of operations: who waits for them, and the last ones that were told.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use super::events::OperationEvent;

/// So many are remembered: LXD may tell an end before its answer to the order is read.
pub(super) const REMEMBERED: usize = 128;

/// Who waits for an operation: its id, and a number, because several may wait for one.
pub(super) type Key = (String, u64);

/// Ends of operations.
#[derive(Debug, Default)]
pub(super) struct Ends {
    waiters: BTreeMap<Key, oneshot::Sender<Box<OperationEvent>>>,
    last: VecDeque<OperationEvent>,
    told: usize,
}

impl Ends {
    /// How many were told so far.
    pub(super) fn told(&self) -> usize {
        self.told
    }

    /// Whether all are remembered that came after the first `told`.
    pub(super) fn remember_all_after(&self, told: usize) -> bool {
        self.told - told <= self.last.len()
    }

    /// Waits for an end, or is told at once what is remembered: returns whether it was.
    pub(super) fn listen(
        &mut self,
        key: Key,
        waiter: oneshot::Sender<Box<OperationEvent>>,
    ) -> bool {
        let Some(end) = self.last.iter().find(|end| end.id == key.0) else {
            self.waiters.insert(key, waiter);
            return false;
        };
        // Its receiver is the caller's.
        drop(waiter.send(Box::new(end.clone())));
        true
    }

    /// Who waits no more.
    pub(super) fn leave(&mut self, key: &Key) {
        self.waiters.remove(key);
    }

    /// Tells everybody who waits for this end.
    pub(super) fn tell(&mut self, end: &OperationEvent) {
        let (first, last) = ((end.id.clone(), 0), (end.id.clone(), u64::MAX));
        let keys: Vec<Key> = self.waiters.range(first..=last).map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(waiter) = self.waiters.remove(&key) {
                // One that has gone in the meantime does not want to know.
                drop(waiter.send(Box::new(end.clone())));
            }
        }
        self.last.truncate(REMEMBERED - 1);
        self.last.push_front(end.clone());
        self.told += 1;
    }

    #[cfg(test)]
    pub(super) fn are_awaited_by_nobody(&self) -> bool {
        self.waiters.is_empty()
    }
}
