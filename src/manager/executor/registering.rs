//! A runner's registration at GitHub: made when its guest is ready, removed before it is.
//!
//! GitHub is asked first wherever a runner may have a job: from GitHub's choice of a runner to the
//! runner's own "Running job" nothing inside the guest tells of it (GitHub REST API, "Delete a
//! self-hosted runner": 422 while it has a job).

use super::Executor;
use crate::github::{Connection, Deletion, GitHubError, GitHubErrorKind};
use crate::guest::Credential;
use crate::manager::accounts::{Account, RegistersWith};
use crate::manager::command::Input;
use crate::model::{Binding, Event, GitHubRunnerConfig, Record, Registration, Target};

/// What became of a registration.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unregistered {
    /// It is not there any more: no job is in the runner, and none will come.
    Gone,
    /// It has a job.
    Busy,
    /// There is none that larm could ask about.
    NoneKnown,
}

impl Executor {
    /// Registers the runner, and returns what its guest is given; or the event that tells why not.
    pub(super) async fn register(
        &self,
        record: &Record,
        binding: &Binding,
    ) -> Result<Credential, Event> {
        let Some(account) = self.account(&binding.target) else {
            let connection = &binding.target.connection;
            let error = format!("connection {connection} is not in the configuration");
            return Err(Event::NotRegistered { error, until: None });
        };
        let made = match account.registers_with {
            RegistersWith::Jit => self.make_jit(record, binding, &account.connection).await,
            RegistersWith::RegistrationToken => token(binding, &account.connection).await,
        };
        match made {
            Ok(credential) => Ok(credential),
            Err(error) if matches!(error.kind(), GitHubErrorKind::NameTaken { .. }) => {
                Err(self.taken_before(record, binding, &account.connection, error).await)
            }
            Err(error) => Err(refused(&error)),
        }
    }

    async fn make_jit(
        &self,
        record: &Record,
        binding: &Binding,
        connection: &Connection,
    ) -> Result<Credential, GitHubError> {
        let (path, name) = (&binding.target.path, record.name.to_string());
        let made = Box::pin(connection.jit_config(path, &name, &binding.labels)).await?;
        self.send(Input::News(record.id().clone(), Event::Registered(made.id))).await;
        Ok(Credential::Jit(made.config))
    }

    /// Where it is online already its guest has the credential, and the answer to an earlier push
    /// was lost.
    async fn taken_before(
        &self,
        record: &Record,
        binding: &Binding,
        connection: &Connection,
        error: GitHubError,
    ) -> Event {
        let name = record.name.to_string();
        match connection.runner_named(&binding.target.path, &name).await {
            Ok(Some(runner)) if runner.online => {
                self.send(Input::News(record.id().clone(), Event::Registered(runner.id))).await;
                Event::HandedOver(jiff::SignedDuration::ZERO)
            }
            Ok(_) => refused(&error),
            Err(error) => refused(&error),
        }
    }

    /// Removes a runner's registration, if there may be one.
    pub(super) async fn unregister_at_github(
        &self,
        record: &Record,
    ) -> Result<Unregistered, GitHubError> {
        let Some(target) = target(record).filter(|_| record.may_be_registered()) else {
            return Ok(Unregistered::NoneKnown);
        };
        let Some(account) = self.account(target) else { return Ok(Unregistered::NoneKnown) };
        let connection = &account.connection;
        let known = match record.registration {
            Registration::Known(number) => Some(number),
            Registration::Sought | Registration::None | Registration::Ended => None,
        };
        let mut deletion = match known {
            Some(number) => connection.delete_runner(&target.path, number).await?,
            None => Deletion::NotThere,
        };
        // "Not found" may also mean that the credential cannot see it any more, or that it has
        // another number: only a list without its name says that it is gone.
        if deletion == Deletion::NotThere
            && let Some(number) = listed(connection, target, record).await?
        {
            deletion = connection.delete_runner(&target.path, number).await?;
        }
        if deletion == Deletion::Busy {
            return Ok(Unregistered::Busy);
        }
        self.send(Input::News(record.id().clone(), Event::Unregistered)).await;
        Ok(Unregistered::Gone)
    }

    /// Its registration goes with its instance, which does not wait for GitHub. Where GitHub does
    /// not take it now, its list shows it later.
    pub(in crate::manager) fn begin_unregistering(&self, record: &Record) {
        if !record.may_be_registered() {
            return;
        }
        let (this, record) = (self.clone(), record.clone());
        self.tracker.spawn(self.stop.clone().run_until_cancelled_owned(async move {
            if let Err(error) = this.unregister_at_github(&record).await {
                tracing::warn!(runner = %record.name, %error, "its registration stays for now");
            }
        }));
    }

    fn account(&self, target: &Target) -> Option<Account> {
        self.place.accounts.borrow().get(&target.connection).cloned()
    }
}

async fn token(binding: &Binding, connection: &Connection) -> Result<Credential, GitHubError> {
    let path = &binding.target.path;
    let token = connection.registration_token(path).await?;
    let url = format!("{}/{path}", connection.web_url());
    let config = GitHubRunnerConfig { github_path: path.clone(), labels: binding.labels.clone() };
    Ok(Credential::RegistrationToken { token, url, config })
}

/// The runner's number in GitHub's list, which may be late: it is looked for by name first.
async fn listed(
    connection: &Connection,
    target: &Target,
    record: &Record,
) -> Result<Option<u64>, GitHubError> {
    let name = record.name.to_string();
    if let Some(found) = connection.runner_named(&target.path, &name).await? {
        return Ok(Some(found.id));
    }
    let all = connection.runners(&target.path).await?;
    Ok(all.into_iter().find(|runner| runner.name == name).map(|runner| runner.id))
}

/// Where it is registered, or was to be.
fn target(record: &Record) -> Option<&Target> {
    let sought = record.unregistrable.as_ref().map(|one| &one.target);
    record.binding.as_ref().map(|binding| &binding.target).or(sought)
}

fn refused(error: &GitHubError) -> Event {
    let text = match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    };
    Event::NotRegistered { error: text, until: error.retry_at() }
}
