//! Freezes a standby, and thaws it.

use tokio::time::Instant;

use super::{Executor, exec, fault, since};
use crate::clock;
use crate::guest::command;
use crate::lxd::{Error, ErrorKind, StateChange};
use crate::model::{Event, InstanceType, Record};

impl Executor {
    pub(super) async fn freeze(&self, record: &Record) -> Event {
        match self.change_state(record, StateChange::Freeze, self.place.limits.start).await {
            Ok(()) => Event::Froze,
            Err(error) if matches!(error.kind(), ErrorKind::Frozen { .. }) => Event::Froze,
            Err(error) => Event::FreezeFailed(fault(&error)),
        }
    }

    pub(super) async fn thaw(&self, record: &Record) -> Event {
        let begin = Instant::now();
        match self.try_thaw(record).await {
            Ok(()) => Event::Thawed(since(begin)),
            Err(error) => Event::ThawFailed(fault(&error)),
        }
    }

    async fn try_thaw(&self, record: &Record) -> Result<(), Error> {
        let limit = self.place.limits.start;
        match self.change_state(record, StateChange::Unfreeze, limit).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyRunning { .. }) => {}
            Err(error) => return Err(error),
        }
        match record.spec.instance_type {
            InstanceType::VirtualMachine => self.step_clock(record).await,
            // It has the host's.
            InstanceType::Container => Ok(()),
        }
    }

    /// A virtual machine's clock stood still: GitHub would not believe it.
    async fn step_clock(&self, record: &Record) -> Result<(), Error> {
        let exec = exec(command::clock(clock::now().as_second()));
        let name = record.name.to_string();
        let client = &self.place.client;
        let output = client.run(&name, &exec, command::OUTPUT_CAP, self.place.exec_limit).await?;
        if output.code != 0 {
            // Most hosts' guests have a time service, which puts it right a little later.
            tracing::warn!(runner = %record.name, code = output.code, "its clock was not put right");
        }
        Ok(())
    }
}
