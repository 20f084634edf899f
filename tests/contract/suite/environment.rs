//! What a case is given: a client, an image, and instances that are removed whatever happens.

use std::collections::BTreeMap;
use std::process;
use std::thread;
use std::time::Duration;

use larm::lxd::{
    Client, ClientOptions, Error, ErrorKind, EventHub, Exec, ExecOutput, ImageSource, NewInstance,
    StateChange,
};
use tokio::runtime;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// For one step on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// What the instances are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Container,
    VirtualMachine,
}

/// One case's world.
pub(crate) struct Environment {
    /// Waits by events.
    pub(crate) client: Client,
    /// Waits without events.
    pub(crate) plain: Client,
    pub(crate) hub: EventHub,
    pub(crate) image: String,
    pub(crate) kind: Kind,
    /// What this case's instances are named after.
    pub(crate) stem: String,
    pub(crate) tracker: TaskTracker,
    /// Whether a terminal's size gets through to the guest, which a stand-in may leave out.
    pub(crate) sizes_terminals: bool,
    _stop: DropGuard,
}

/// An instance that is removed when the case ends, by whatever way.
pub(crate) struct Guest {
    pub(crate) client: Client,
    pub(crate) name: String,
    kind: Kind,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::VirtualMachine => "virtual-machine",
        }
    }
}

impl Environment {
    /// `prefix` begins every name, `case` goes into it as far as it is short.
    pub(crate) async fn new(
        options: ClientOptions,
        image: String,
        kind: Kind,
        prefix: &str,
        case: &str,
    ) -> Self {
        let plain = Client::new(options);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let hub = EventHub::start(&plain, &tracker, stop.clone());
        timeout(LIMIT, hub.connected()).await.expect("the event stream connects");
        let client = plain.with_events(&hub);
        let short: String = case.replace('_', "-").chars().take(30).collect();
        let stem = format!("{prefix}{}-{}", short.trim_end_matches('-'), process::id());
        Self {
            client,
            plain,
            hub,
            image,
            kind,
            stem,
            tracker,
            sizes_terminals: true,
            _stop: stop.drop_guard(),
        }
    }

    /// What a new instance of this case looks like; change it before use.
    pub(crate) fn new_instance(&self) -> NewInstance {
        NewInstance {
            name: self.stem.clone(),
            instance_type: self.kind.word().to_owned(),
            image: ImageSource::Alias(self.image.clone()),
            profiles: vec!["default".to_owned()],
            config: BTreeMap::from([
                ("boot.autostart".to_owned(), "false".to_owned()),
                ("user.larm-test".to_owned(), self.stem.clone()),
            ]),
            ..NewInstance::default()
        }
    }

    /// Removes the instance of this name when the case ends; it need not exist.
    pub(crate) fn guard(&self, name: &str) -> Guest {
        Guest { client: self.client.clone(), name: name.to_owned(), kind: self.kind }
    }

    /// An instance that was not started.
    pub(crate) async fn created(&self) -> Guest {
        self.create(&self.new_instance()).await
    }

    pub(crate) async fn create(&self, new: &NewInstance) -> Guest {
        let guest = self.guard(&new.name);
        let operation = self.client.create_instance(new).await.unwrap();
        self.client.wait(&operation, LIMIT).await.unwrap();
        guest
    }

    /// An instance that runs, and whose agent answers.
    pub(crate) async fn started(&self) -> Guest {
        let guest = self.created().await;
        guest.change(StateChange::Start).await.unwrap();
        guest.answers().await;
        guest
    }
}

impl Guest {
    pub(crate) async fn change(&self, change: StateChange) -> Result<(), Error> {
        let operation = self.client.change_state(&self.name, change).await?;
        self.client.wait(&operation, LIMIT).await.map(drop)
    }

    pub(crate) async fn delete(&self) -> Result<(), Error> {
        let operation = self.client.delete_instance(&self.name).await?;
        self.client.wait(&operation, LIMIT).await.map(drop)
    }

    /// Waits until exec and files work; nothing tells a virtual machine's agent.
    pub(crate) async fn answers(&self) {
        let answers = async {
            loop {
                let state = self.client.instance_state(&self.name).await.unwrap();
                if state.is_some_and(|state| state.agent_answers()) && self.has_mounted().await {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        let limit = if self.kind == Kind::Container { LIMIT } else { LIMIT * 10 };
        timeout(limit, answers).await.expect("the guest answers");
    }

    /// Exec works before the guest's init has mounted a file system over `/run`, which hides what
    /// was written there before.
    async fn has_mounted(&self) -> bool {
        self.run(["test", "-d", "/run/systemd/system"]).await.is_ok_and(|ran| ran.code == 0)
    }

    /// Runs a script to its end.
    pub(crate) async fn sh(&self, script: &str) -> ExecOutput {
        self.run(["sh", "-c", script]).await.unwrap()
    }

    pub(crate) async fn run<const N: usize>(
        &self,
        command: [&str; N],
    ) -> Result<ExecOutput, Error> {
        self.client.run(&self.name, &Exec::new(command), 64 << 10, LIMIT).await
    }

    async fn remove(client: Client, name: String) {
        let client = client.with_timeout(LIMIT);
        if client.instance(&name).await.is_ok_and(|found| found.is_none()) {
            return;
        }
        // Frozen ones are stopped by force as well; that it is stopped already is fine.
        if let Ok(operation) = client.change_state(&name, StateChange::PULL_THE_PLUG).await {
            drop(client.wait(&operation, LIMIT).await);
        }
        let gone = match client.delete_instance(&name).await {
            Ok(operation) => client.wait(&operation, LIMIT).await.map(drop),
            Err(error) => Err(error),
        };
        match gone {
            Ok(()) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) if matches!(error.kind(), ErrorKind::NoSocket { .. }) => {}
            Err(error) => println!("{name} stays: {error}"),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // A thread with a runtime of its own: the test's may be unwinding.
        let options = ClientOptions {
            project: self.client.project().to_owned(),
            ..ClientOptions::new(self.client.socket())
        };
        let name = self.name.clone();
        let removal = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(Self::remove(Client::new(options), name));
            }
        });
        drop(removal.join());
    }
}
