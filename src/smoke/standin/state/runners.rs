//! Who is registered where.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{Refused, Runner, State};
use crate::smoke::standin::record::{EventKind, RunnerRecord};
use crate::smoke::standin::scope::Scope;

/// A runner to register.
#[derive(Debug, Clone)]
pub(in crate::smoke) struct NewRunner {
    pub(in crate::smoke) name: String,
    pub(in crate::smoke) labels: Vec<String>,
    pub(in crate::smoke) scope: Scope,
    pub(in crate::smoke) group: u64,
    /// As `config.sh --replace` means it.
    pub(in crate::smoke) replace: bool,
}

impl State {
    pub(in crate::smoke) fn runners(&self) -> Vec<RunnerRecord> {
        self.runners.values().map(|runner| runner.record.clone()).collect()
    }

    /// A registration or remove token for a place.
    pub(in crate::smoke) fn new_token(&mut self, scope: Scope) -> SecretString {
        let token = SecretString::from(Uuid::new_v4().simple().to_string().to_uppercase());
        self.tokens.push((token.clone(), scope));
        token
    }

    /// The place that a registration or remove token is for.
    pub(in crate::smoke) fn token_scope(&self, token: &str) -> Option<Scope> {
        let known = |(known, _): &&(SecretString, Scope)| known.expose_secret() == token;
        self.tokens.iter().find(known).map(|(_, scope)| scope.clone())
    }

    /// Registers a runner.
    pub(in crate::smoke) fn register(
        &mut self,
        new: NewRunner,
        now: Timestamp,
    ) -> Result<(u64, SecretString), Refused> {
        if self.faults.refuse_registration {
            return Err(Refused::Registration);
        }
        let same =
            |runner: &&Runner| runner.record.name == new.name && runner.record.scope.is(&new.scope);
        match self.runners.values().find(same).map(|runner| runner.record.id) {
            Some(_) if !new.replace => return Err(Refused::NameTaken),
            Some(id) => self.remove_runner(id, now)?,
            None => {}
        }
        self.last_runner += 1;
        let id = self.last_runner;
        let token = SecretString::from(Uuid::new_v4().simple().to_string());
        let record = RunnerRecord {
            id,
            name: new.name.clone(),
            scope: new.scope,
            group: new.group,
            labels: new.labels,
            version: None,
            online: false,
            busy: false,
        };
        self.runners.insert(id, Runner { record, token: token.clone() });
        self.note(now, EventKind::RunnerRegistered, Some(&new.name), None);
        Ok((id, token))
    }

    pub(in crate::smoke) fn remove_runner(
        &mut self,
        id: u64,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let name = self.runners.get(&id).ok_or(Refused::NotFound)?.record.name.clone();
        if self.jobs.values().any(|job| job.runs_on(id)) {
            return Err(Refused::Busy);
        }
        self.runners.remove(&id);
        self.note(now, EventKind::RunnerRemoved, Some(&name), None);
        self.return_jobs(now, |job| job.runner == Some(id));
        Ok(())
    }

    /// Drops a registration without a word to anybody; its listener waits on for ever, or is told
    /// at its next look.
    pub(in crate::smoke) fn forget_runner(
        &mut self,
        id: u64,
        waits_on: bool,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let token = self.runners.get(&id).ok_or(Refused::NotFound)?.token.clone();
        self.remove_runner(id, now)?;
        if waits_on {
            self.ghosts.push(token);
        }
        Ok(())
    }

    pub(in crate::smoke) fn lose_sight_of(&mut self, id: u64) -> Result<(), Refused> {
        let runner = self.runners.get_mut(&id).ok_or(Refused::NotFound)?;
        runner.record.online = false;
        Ok(())
    }

    /// Whether a token is of a listener that waits on although it is not registered.
    pub(in crate::smoke) fn is_ghost(&self, token: &str) -> bool {
        self.ghosts.iter().any(|known| known.expose_secret() == token)
    }

    /// The runner that a token belongs to.
    pub(in crate::smoke) fn runner_by_token(&self, token: &str) -> Result<u64, Refused> {
        let known = |runner: &&Runner| runner.token.expose_secret() == token;
        self.runners.values().find(known).map(|r| r.record.id).ok_or(Refused::NotFound)
    }

    pub(in crate::smoke) fn open_session(
        &mut self,
        id: u64,
        version: Option<String>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if self.faults.refuse_registration {
            return Err(Refused::Registration);
        }
        let runner = self.runners.get_mut(&id).ok_or(Refused::NotFound)?;
        runner.record.online = true;
        runner.record.version = version;
        let name = runner.record.name.clone();
        self.note(now, EventKind::RunnerOnline, Some(&name), None);
        Ok(())
    }
}
