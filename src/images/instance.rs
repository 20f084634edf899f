//! Throw-away instances: made, started, asked, removed. They carry [`BAKE`] and [`UNTIL`], so that
//! what a killed build has left is found.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::error::ImageError;
use crate::clock;
use crate::lxd::{
    self, Client, Config, ErrorKind, Exec, ExecOutput, ImageSource, NewInstance, StateChange,
};
use crate::model::Spec;

/// Marks an instance as one of a build: the alias that is built.
const BAKE: &str = "user.larm.bake";
/// When its build has ended in any case.
const UNTIL: &str = "user.larm.bake-until";
/// How long LXD may take for one step with an instance.
pub(super) const STEP_LIMIT: Duration = Duration::from_mins(5);
/// How often a virtual machine is asked whether its agent is up: LXD has no event for it.
const AGENT_PAUSE: Duration = Duration::from_secs(1);

/// The bounds of a build: its end, and a wish to end it.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) stop: CancellationToken,
    pub(super) limit: Duration,
    pub(super) end: Instant,
    /// The same as a time of day, for marks.
    pub(super) until: Timestamp,
}

/// A throw-away instance.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) bounds: Bounds,
    /// How long it may take to boot.
    pub(super) boot: Duration,
}

impl Bounds {
    pub(super) fn new(limit: Duration, stop: CancellationToken) -> Self {
        let until = clock::now().saturating_add(limit).unwrap_or(Timestamp::MAX);
        Self { stop, limit, end: Instant::now() + limit, until }
    }

    /// Does something that may be given up at any point.
    pub(super) async fn within<T, E: Into<ImageError>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ImageError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(ImageError::Stopped),
            done = tokio::time::timeout_at(self.end, step) => {
                done.map_err(|_| ImageError::TimedOut(self.limit))?.map_err(Into::into)
            }
        }
    }

    /// Whether there is any time left.
    pub(super) fn check(&self) -> Result<(), ImageError> {
        if self.stop.is_cancelled() {
            Err(ImageError::Stopped)
        } else if Instant::now() >= self.end {
            Err(ImageError::TimedOut(self.limit))
        } else {
            Ok(())
        }
    }
}

/// What a throw-away instance is made like.
pub(super) fn like(alias: &str, image: ImageSource, spec: &Spec, until: Timestamp) -> NewInstance {
    let mut config: Config = [
        (BAKE.to_owned(), alias.to_owned()),
        (UNTIL.to_owned(), until.to_string()),
        // LXD starts an instance again that ran when LXD ended.
        ("boot.autostart".to_owned(), "false".to_owned()),
    ]
    .into();
    config.extend(spec.cpu.map(|cpus| ("limits.cpu".to_owned(), cpus.to_string())));
    config.extend(spec.memory.clone().map(|memory| ("limits.memory".to_owned(), memory)));
    config.extend(spec.instance_type.walls(spec.nesting));
    let bits = uuid::Uuid::new_v4().as_u64_pair().0 >> 32;
    NewInstance {
        name: format!("larm-bake-{bits:08x}"),
        instance_type: spec.instance_type.as_str().to_owned(),
        image,
        profiles: spec.profiles.clone(),
        config,
        description: format!("larm: throw-away, for image {alias}"),
        ..NewInstance::default()
    }
}

impl Guest {
    /// Makes the instance. LXD's step is let end: only then it can be removed.
    pub(super) async fn create(&self, new: &NewInstance) -> Result<(), ImageError> {
        self.bounds.check()?;
        let operation = self.client.create_instance(new).await?;
        let left = self.bounds.end.saturating_duration_since(Instant::now());
        self.client.wait(&operation, left.max(STEP_LIMIT)).await?;
        self.bounds.check()
    }

    /// Starts it.
    pub(super) async fn start(&self) -> Result<(), ImageError> {
        let operation = self.client.change_state(&self.name, StateChange::Start).await?;
        self.client.wait(&operation, STEP_LIMIT).await?;
        self.bounds.check()
    }

    /// Runs a command; as long as a virtual machine's agent is not up, it is tried again.
    pub(super) async fn run(
        &self,
        command: Vec<String>,
        cap: usize,
    ) -> Result<ExecOutput, ImageError> {
        let exec = Exec { command, ..Exec::default() };
        let give_up = Instant::now() + self.boot;
        self.bounds
            .within(async {
                loop {
                    match self.client.run(&self.name, &exec, cap, self.bounds.limit).await {
                        Err(error) if is_agent_down(&error) && Instant::now() < give_up => {
                            sleep(AGENT_PAUSE).await;
                        }
                        other => return other,
                    }
                }
            })
            .await
    }

    /// Stops it, by force if the guest does not.
    pub(super) async fn stop(&self) -> Result<(), ImageError> {
        self.bounds.check()?;
        let gently = StateChange::Stop { force: false, timeout: Some(Duration::from_mins(1)) };
        let stopped = match self.client.change_state(&self.name, gently).await {
            Ok(operation) => self.client.wait(&operation, STEP_LIMIT).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stopped {
            tracing::info!(%error, "the guest does not stop: it is stopped by force");
            self.run(vec!["sync".to_owned()], 0).await?;
            let operation =
                self.client.change_state(&self.name, StateChange::PULL_THE_PLUG).await?;
            self.client.wait(&operation, STEP_LIMIT).await?;
        }
        self.bounds.check()
    }
}

fn is_agent_down(error: &lxd::Error) -> bool {
    matches!(error.kind(), ErrorKind::AgentNotRunning { .. })
}

/// Instances of builds that must have ended by now.
pub(super) async fn stale(client: &Client, now: Timestamp) -> Result<Vec<String>, lxd::Error> {
    let is_stale = |one: &lxd::Instance| {
        let until = one.config.get(UNTIL).and_then(|until| until.parse::<Timestamp>().ok());
        one.config.contains_key(BAKE) && until.is_none_or(|until| until <= now)
    };
    let all = client.instances().await?.into_iter();
    Ok(all.filter(is_stale).map(|one| one.name).collect())
}
