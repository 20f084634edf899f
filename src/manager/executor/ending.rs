//! Ends the listener, keeps what the runner left, deletes the instance.

use std::time::Duration;

use secrecy::SecretString;

use super::registering::Unregistered;
use super::{Executor, Secrets, exec, fault};
use crate::guest::{command, handover, report};
use crate::lxd::{Error, ErrorKind, StateChange, StatusCode};
use crate::model::{Event, Fault, Frost, GuestReport, InstanceName, Quiesced, Record};

const UNREGISTER_LIMIT: Duration = Duration::from_mins(1);

impl Executor {
    /// GitHub first, then the guest; where the runner is removed in any case, GitHub is asked at its
    /// end.
    pub(super) async fn quiesce(&self, record: &Record, force: bool) -> Event {
        let asked = if force {
            Ok(Unregistered::NoneKnown)
        } else {
            self.unregister_at_github(record).await
        };
        let unregistered = match asked {
            Ok(Unregistered::Busy) => return Event::Quiesced(Quiesced::Busy),
            Ok(unregistered) => unregistered,
            Err(error) => return Event::Quiesced(Quiesced::Unreachable(error.to_string())),
        };
        let outcome = self.end_listener(record, force).await;
        Event::Quiesced(match &outcome {
            // A runner with a job is in GitHub's list.
            Quiesced::Unreachable(_) if unregistered == Unregistered::Gone => Quiesced::Stopped,
            Quiesced::Stopped | Quiesced::Busy | Quiesced::Unreachable(_) => outcome,
        })
    }

    async fn end_listener(&self, record: &Record, force: bool) -> Quiesced {
        let _place = self.places.ask().await;
        let exec = exec(command::flush(force));
        let name = record.name.to_string();
        let client = &self.place.client;
        let result = client.run(&name, &exec, command::OUTPUT_CAP, self.place.exec_limit).await;
        match result {
            Ok(output) if output.code == command::FLUSHED => Quiesced::Stopped,
            Ok(output) if output.code == command::BUSY => Quiesced::Busy,
            Ok(output) => Quiesced::Unreachable(format!("its script returned {}", output.code)),
            Err(error) if self.is_off(&record.name).await => {
                tracing::debug!(runner = %record.name, %error, "it does not run");
                Quiesced::Stopped
            }
            Err(error) => Quiesced::Unreachable(error.to_string()),
        }
    }

    /// No job runs in an instance that is gone or stopped. LXD says "not running" of one in error
    /// too, which it may be for a moment while its guest runs on.
    async fn is_off(&self, name: &InstanceName) -> bool {
        match self.ours(name).await {
            Ok(None) => true,
            Ok(Some(instance)) => instance.status_code == StatusCode::STOPPED,
            Err(_) => false,
        }
    }

    pub(super) async fn collect(&self, record: &Record, logs: bool, secrets: Secrets<'_>) -> Event {
        let remove_token = secrets.remove_token;
        let complete = record.metrics.post_job.is_some() && record.exit_code.is_some();
        // What was never started tells nothing, and what LXD has made a part of is to be deleted as
        // it is. A frozen guest tells nothing either, and had no job.
        let mute = !record.made || (record.frost == Frost::Frozen && !logs);
        if mute || (complete && !logs && remove_token.is_none()) {
            return Event::Collected(None);
        }
        let report = match self.last_report(&record.name).await {
            Ok(report) => report,
            Err(error) if is_lxd_trouble(&error) => {
                return Event::CollectFailed(fault(&error));
            }
            Err(error) => {
                tracing::debug!(runner = %record.name, %error, "no last report");
                None
            }
        };
        if logs || report.as_ref().is_some_and(|report| is_odd(record, report)) {
            self.reader.keep(record, &secrets.all()).await;
        }
        if let Some(token) = remove_token {
            self.unregister(record, report.as_ref(), token).await;
        }
        Event::Collected(report.map(Box::new))
    }

    async fn last_report(&self, name: &InstanceName) -> Result<Option<GuestReport>, Error> {
        let exec = exec(command::report());
        let client = &self.place.client;
        let output = client
            .run(&name.to_string(), &exec, command::OUTPUT_CAP, self.place.exec_limit)
            .await?;
        Ok(report::parse(&output.stdout).ok())
    }

    /// Removes a registration from inside. A job may have changed whatever would be run there, and
    /// the token is good for more runners than this one: it is given to no guest that had a job,
    /// whose registration GitHub has removed with the job's end.
    async fn unregister(
        &self,
        record: &Record,
        report: Option<&GuestReport>,
        token: &SecretString,
    ) {
        if record.may_have_had_job() || report.is_none_or(GuestReport::may_have_had_job) {
            tracing::info!(runner = %record.name, "its guest gets no remove token: it may have had a job");
            return;
        }
        if let Err(why) = self.try_unregister(record, token).await {
            tracing::warn!(runner = %record.name, %why, "its registration was not removed");
        }
    }

    async fn try_unregister(&self, record: &Record, token: &SecretString) -> Result<(), String> {
        let bytes = handover::remove_token(token).map_err(|error| error.to_string())?;
        let pushed = self.push_secret(record, handover::REMOVE_TOKEN, bytes.to_vec()).await;
        pushed.map_err(|error| error.to_string())?;
        let exec = exec(command::unregister());
        let name = record.name.to_string();
        let client = &self.place.client;
        let output = client.run(&name, &exec, command::OUTPUT_CAP, UNREGISTER_LIMIT).await;
        match output.map_err(|error| error.to_string())?.code {
            0 => Ok(()),
            code => Err(format!("its script returned {code}")),
        }
    }

    pub(super) async fn remove(&self, record: &Record) -> Event {
        self.begin_unregistering(record);
        match self.remove_instance(&record.name).await {
            Ok(()) => Event::Removed,
            Err(fault) => Event::RemoveFailed(fault),
        }
    }

    /// Stops and deletes an instance of ours, and looks whether it is gone: LXD deletes an
    /// ephemeral instance by itself when it stops, but not always.
    pub(super) async fn remove_instance(&self, name: &InstanceName) -> Result<(), Fault> {
        let mut last = None;
        for _ in 0..2 {
            match self.ours(name).await {
                Ok(None) => return Ok(()),
                Ok(Some(instance)) => last = self.stop_and_delete(&instance.name).await.err(),
                Err(error) => return Err(fault(&error)),
            }
        }
        match (self.ours(name).await, last) {
            (Ok(None), _) => Ok(()),
            (Err(error), _) | (Ok(Some(_)), Some(error)) => Err(fault(&error)),
            (Ok(Some(_)), None) => {
                let message = "LXD says that it was deleted, and it is still there".to_owned();
                Err(Fault { transient: true, message })
            }
        }
    }

    async fn stop_and_delete(&self, name: &str) -> Result<(), Error> {
        let client = &self.place.client;
        let limits = &self.place.limits;
        let stop = StateChange::Stop { force: true, timeout: Some(limits.stop) };
        let stopped = async {
            let operation = client.change_state(name, stop).await?;
            client.wait(&operation, limits.stop).await
        };
        match stopped.await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => return Ok(()),
            // Deleting tells whether it is in the way.
            Err(error) => tracing::debug!(runner = %name, %error, "not stopped"),
        }
        let deleted = async {
            let operation = client.delete_instance(name).await?;
            client.wait(&operation, limits.delete).await
        };
        match deleted.await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether a runner did not end well, by what its guest says only now.
fn is_odd(record: &Record, report: &GuestReport) -> bool {
    let failed = report.exit_code.is_some_and(|code| code != 0);
    report.oom_kills > 0 || (failed && record.ended.is_none())
}

/// LXD could not be asked, so that nothing is known of the guest. A guest whose command does not end
/// in time is another matter: it is not waited for again.
fn is_lxd_trouble(error: &Error) -> bool {
    let of_the_guest =
        matches!(error.kind(), ErrorKind::TimedOut { .. } | ErrorKind::AgentNotRunning { .. });
    error.is_transient() && !of_the_guest
}
