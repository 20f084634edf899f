//! How a test arranges the stand-in: who is there, what is allowed, what goes wrong.

use jiff::SignedDuration;

use super::StandIn;
use super::accounts::{Account, App, Installation};
use super::faults::Faults;
use super::hooks::{Delivery, Hook};
use super::limits::SecondaryLimit;
use super::places::{Organization, Repository};
use super::record::JobId;
use super::state::Refused;
use super::versions::Versions;
use crate::clock;

impl StandIn {
    /// Makes the server misbehave from here on.
    pub fn set_faults(&self, faults: Faults) {
        self.change(|state| state.set_faults(faults));
    }

    /// Declares an organisation, or changes it. Once any place is declared, others do not exist.
    pub fn add_organization(&self, organization: Organization) {
        self.change(|state| state.places.add_organization(organization));
    }

    /// Declares a repository, or changes it. Its owner exists with it.
    pub fn add_repository(&self, repository: Repository) {
        self.change(|state| state.places.add_repository(repository));
    }

    /// Adds a user with a token. Once there is an account or an App, requests of the REST API
    /// need a good token.
    pub fn add_account(&self, account: Account) {
        self.change(|state| state.accounts.add(account));
    }

    /// Adds an App.
    pub fn add_app(&self, app: App) {
        self.change(|state| state.accounts.add_app(app));
    }

    /// Changes the installation with the same number.
    pub fn set_installation(&self, installation: &Installation) {
        self.change(|state| state.accounts.set_installation(installation));
    }

    /// Sets how far this server's clock is ahead: for tokens and the `Date` header.
    pub fn set_clock_skew(&self, ahead: SignedDuration) {
        self.change(|state| state.skew = ahead);
    }

    /// Sets the primary limit in requests per hour and caller; all start again from 0.
    pub fn set_primary_limit(&self, requests: u64) {
        self.change(|state| state.limits.set_core(requests));
    }

    /// Orders a secondary limit from now on.
    pub fn order_secondary_limit(&self, limit: SecondaryLimit) {
        self.change(|state| state.limits.order(limit, clock::now()));
    }

    /// Adds a hook and returns its number.
    pub fn add_hook(&self, hook: Hook) -> u64 {
        self.change(|state| state.hooks.add(hook))
    }

    /// What was sent, newest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.lock().hooks.deliveries(None)
    }

    /// Sets which versions of the runner application there are.
    pub fn set_versions(&self, versions: Versions) {
        self.change(|state| state.versions = versions);
    }

    /// Drops a runner's registration behind its back. Its listener waits on as those of old
    /// versions do, or ends when it looks next. Refused while the runner has a job.
    pub fn forget_runner(&self, id: u64, waits_on: bool) -> Result<(), Refused> {
        self.change(|state| state.forget_runner(id, waits_on, clock::now()))
    }

    /// Shows a runner as offline from here on, though its listener polls.
    pub fn lose_sight_of(&self, id: u64) -> Result<(), Refused> {
        self.change(|state| state.lose_sight_of(id))
    }

    /// Approves a job that waits for it.
    pub fn approve_job(&self, id: JobId) -> Result<(), Refused> {
        self.change(|state| state.approve_job(id, clock::now()))
    }

    /// Cancels a job; refused once a runner has started it.
    pub fn cancel_job(&self, id: JobId) -> Result<(), Refused> {
        self.change(|state| state.cancel_job(id, clock::now()))
    }
}
