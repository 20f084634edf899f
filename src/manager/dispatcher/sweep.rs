//! Somebody who waits for a sweep to end: what is still open, and what it has met.

use std::collections::BTreeSet;

use super::requests::send;
use crate::manager::ManagerError;
use crate::manager::command::Reply;
use crate::manager::removal::Orphans;
use crate::model::{Action, Fault, InstanceName, RunnerId};

/// A sweep that somebody waits for.
#[derive(Debug)]
pub(super) struct Sweep {
    list: List,
    /// Questions that are not answered yet.
    pub(super) questions: BTreeSet<(RunnerId, Action)>,
    /// Orphans that are being removed.
    open: BTreeSet<InstanceName>,
    met: Orphans,
    reply: Reply<Orphans>,
}

/// How far LXD's list is that a sweep waits for. One that was asked for before the sweep does not
/// count.
#[derive(Debug)]
enum List {
    Wanted,
    AskedFor,
    Read,
    Failed(ManagerError),
}

impl Sweep {
    pub(super) fn new(questions: BTreeSet<(RunnerId, Action)>, reply: Reply<Orphans>) -> Self {
        let (open, met) = (BTreeSet::new(), Orphans::default());
        Self { list: List::Wanted, questions, open, met, reply }
    }

    /// LXD's list is asked for from here on.
    pub(super) fn list_is_asked_for(&mut self) {
        if matches!(self.list, List::Wanted) {
            self.list = List::AskedFor;
        }
    }

    /// LXD's list was read, and has these orphans.
    pub(super) fn list_is_read(&mut self, orphans: &[InstanceName]) {
        if matches!(self.list, List::AskedFor) {
            self.list = List::Read;
            self.open.extend(orphans.iter().cloned());
        }
    }

    /// LXD's list could not be read: nobody knows what there is.
    pub(super) fn list_failed(&mut self, error: &ManagerError) {
        if matches!(self.list, List::AskedFor) {
            self.list = List::Failed(error.clone());
        }
    }

    pub(super) fn orphan_ended(&mut self, name: &InstanceName, result: &Result<bool, Fault>) {
        if !self.open.remove(name) {
            return;
        }
        match result {
            Ok(true) => self.met.removed.push(name.clone()),
            Ok(false) => {}
            Err(Fault { message, .. }) => {
                let error = ManagerError::Lxd { message: message.clone(), hint: None };
                self.met.not_removed.push((name.clone(), error));
            }
        }
    }

    /// Whether there is nothing more to wait for; questions count as long as their runner is live.
    pub(super) fn is_over(&self, live: impl Fn(&RunnerId) -> bool) -> bool {
        match self.list {
            List::Wanted | List::AskedFor => false,
            List::Failed(_) => true,
            List::Read => self.open.is_empty() && !self.questions.iter().any(|(id, _)| live(id)),
        }
    }

    /// Tells who waits.
    pub(super) fn answer(self) {
        let result = match self.list {
            List::Failed(error) => Err(error),
            List::Wanted | List::AskedFor | List::Read => Ok(self.met),
        };
        send(self.reply, result);
    }
}
