//! The accounts at GitHub that runners are registered with, by the connection's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::github::Connection;

/// The accounts at GitHub as of now; others after a reload.
pub type AccountsReceiver = watch::Receiver<Arc<Accounts>>;

/// The accounts at GitHub, by the connection's name.
#[derive(Debug, Clone, Default)]
pub struct Accounts(pub BTreeMap<String, Account>);

/// An account at GitHub.
#[derive(Debug, Clone)]
pub struct Account {
    /// How GitHub is asked.
    pub connection: Connection,
    /// What its runners register with.
    pub registers_with: RegistersWith,
}

/// What runners register with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistersWith {
    /// A just-in-time configuration: one request, and the number is known at once.
    Jit,
    /// A registration token, which the runner itself turns into a registration.
    RegistrationToken,
}

impl Accounts {
    /// A receiver that never says anything but that there are none.
    pub fn none() -> AccountsReceiver {
        watch::channel(Arc::default()).1
    }

    /// One account.
    pub fn get(&self, connection: &str) -> Option<&Account> {
        self.0.get(connection)
    }
}
