//! Pushes of the runner application: beside other actions, and broken off when they are over.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use crate::manager::executor::Order;
use crate::model::{Action, Application, Record, RunnerId, is_install_over};

impl Dispatcher {
    /// Begins a push, if none is under way.
    pub(super) fn install(&mut self, id: &RunnerId, record: &Arc<Record>) {
        if self.memory.installing.contains_key(id) {
            return;
        }
        let broken_off = CancellationToken::new();
        self.executor.install(Order::new(record, Action::Install), broken_off.clone());
        self.memory.installing.insert(id.clone(), broken_off.drop_guard());
    }

    /// Breaks off a push that is of no use any more.
    pub(super) fn tend_installation(&mut self, id: &RunnerId, record: &Record) {
        if is_install_over(record) {
            self.memory.installing.remove(id);
        }
    }

    /// Whether it makes no sense to boot a runner of the farm yet: it would only wait for what it is
    /// to run.
    pub(super) fn lacks_application(&self, record: &Record) -> bool {
        record.is_of_farm()
            && record.application == Application::Wanted
            && self.application.borrow().is_none()
    }

    /// Sets what a runner that is new to the records needs; `adopted` for one that was found in LXD.
    pub(super) fn equip(&self, record: &mut Record, adopted: bool) {
        let baked = record.spec.baked.clone();
        record.application = match (self.pushes_application && baked.is_none(), adopted) {
            (false, _) => Application::InImage,
            (true, false) => Application::Wanted,
            (true, true) => Application::Unknown,
        };
        record.application_version = baked;
    }
}
