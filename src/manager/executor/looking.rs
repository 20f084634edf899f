//! Asks LXD and the guest how a runner is.

use super::{Executor, exec};
use crate::guest::{command, probe};
use crate::lxd::{Error, Instance, StatusCode};
use crate::manager::command::Input;
use crate::manager::keys;
use crate::model::{CloudRunnerState, Event, InstanceName, InstanceType, Observed, Phase, Record};

impl Executor {
    pub(super) async fn inspect(&self, record: &Record) -> Event {
        Event::Seen(match self.ours(&record.name).await {
            Ok(None) => CloudRunnerState::Deleted,
            Ok(Some(instance)) if is_frozen(&instance) => return Event::SeenFrozen,
            Ok(Some(instance)) => state(&instance, record.phase > Phase::Creating),
            Err(error) => {
                tracing::debug!(runner = %record.name, %error, "not inspected");
                CloudRunnerState::Unknown
            }
        })
    }

    pub(super) async fn probe(&self, record: &Record) -> Event {
        let (name, exec) = (record.name.to_string(), exec(command::probe()));
        let client = &self.place.client;
        let output = client.run(&name, &exec, command::PROBE_CAP, self.place.exec_limit).await;
        let output = match output {
            Ok(output) => output.stdout,
            Err(error) => return Event::Probed(Err(error.to_string())),
        };
        // Where the bell was heard this is no news.
        if let Some(report) = probe::report(&output) {
            let news = Input::News(record.id().clone(), Event::Reported(Box::new(report)));
            self.send(news).await;
        }
        Event::Probed(probe::parse(&output).map_err(|error| error.to_string()))
    }

    /// All instances that carry our keys.
    pub(super) async fn observe(&self) -> Result<Vec<Observed>, Error> {
        let all = self.place.client.instances().await?;
        Ok(all.iter().filter_map(|instance| self.observed(instance)).collect())
    }

    fn observed(&self, instance: &Instance) -> Option<Observed> {
        let name: InstanceName = instance.name.parse().ok()?;
        if !keys::are_ours(&instance.config, &self.place.prefix, name.id().as_str()) {
            return None;
        }
        let instance_type = match instance.instance_type.as_str() {
            "container" => InstanceType::Container,
            _ => InstanceType::VirtualMachine,
        };
        let spec = keys::spec(&instance.config, instance_type, &instance.profiles);
        let keeper = keys::keeper(&instance.config);
        let state = state(instance, was_started(instance));
        Some(Observed { name, spec, keeper, state, frozen: is_frozen(instance) })
    }

    /// The instance, if it is there and carries our keys. One that lost them is not touched.
    pub(super) async fn ours(&self, name: &InstanceName) -> Result<Option<Instance>, Error> {
        let found = self.place.client.instance(&name.to_string()).await?;
        Ok(found.filter(|instance| {
            let ours = keys::are_ours(&instance.config, &self.place.prefix, name.id().as_str());
            if !ours {
                tracing::warn!(runner = %name, "the instance has lost our keys: it is left alone");
            }
            ours
        }))
    }
}

/// LXD gives an instance that was never started a time of use in the year 1 or 1970.
fn was_started(instance: &Instance) -> bool {
    instance.last_used_at.is_some_and(|at| at.as_second() > 0)
}

fn is_frozen(instance: &Instance) -> bool {
    instance.status_code == StatusCode::FROZEN
}

fn state(instance: &Instance, started: bool) -> CloudRunnerState {
    CloudRunnerState::from_lxd(instance.status_code.0, started, false)
}
