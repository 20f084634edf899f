//! Where stories are played: the manager, over an LXD and something that gives jobs.
//!
//! The same story is played on the stand-in LXD with containers and with virtual machines, and
//! on a real LXD with containers. What a story orders of a guest is done by a simulated guest
//! there, and through exec and real jobs here.

mod real;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larm::guest::{Credential, RunnerSource};
use larm::lxd::{Client, ClientOptions};
use larm::manager::{
    Accounts, CreateOrder, JournalQuery, LogBounds, LxdRunnerManager, ManagerOptions,
    OperationLimits, Parallel, Rules, Running, start,
};
use larm::model::{
    Deadlines, InstanceName, InstanceType, JournalEntry, JournalKind, NamePrefix, Phase, Record,
    RunnerId, Spec,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::host;
use crate::support::standin::handle::GuestHandle;
use crate::support::standin::{StandIn, StandInOptions};
pub use real::Real;

/// How long anything may take before a story counts as stuck; nothing is ever waited for longer
/// than it takes.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Where a story is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    StandInContainers,
    StandInMachines,
    RealLxd,
}

impl Place {
    /// Whether stories can be played here; says so where they cannot.
    pub fn is_there(self) -> bool {
        self != Self::RealLxd || host::client().is_some()
    }
}

/// A stage, set.
pub struct Stage {
    pub lxd: Lxd,
    pub client: Client,
    pub options: ManagerOptions,
    running: Option<(LxdRunnerManager, Running)>,
    given: Mutex<BTreeMap<InstanceName, SecretString>>,
    _state: TempDir,
}

pub enum Lxd {
    StandIn(StandIn),
    Real(Real),
}

impl Stage {
    /// Sets the stage, with whatever the story wants otherwise.
    pub async fn set(place: Place, change: impl FnOnce(&mut ManagerOptions)) -> Self {
        Self::set_with(place, StandInOptions::default(), change).await
    }

    pub async fn set_with(
        place: Place,
        standin: StandInOptions,
        change: impl FnOnce(&mut ManagerOptions),
    ) -> Self {
        let state = TempDir::with_prefix("stories-").unwrap();
        let bits = uuid::Uuid::new_v4().as_u64_pair().0 & 0xff_ffff;
        let prefix: NamePrefix = format!("tsty-{bits:06x}").parse().unwrap();
        let (lxd, client, spec) = match place {
            Place::RealLxd => {
                let real = Real::open(&prefix).await;
                let (client, spec) = (real.client.clone(), real.spec());
                (Lxd::Real(real), client, spec)
            }
            Place::StandInContainers | Place::StandInMachines => {
                let standin = StandIn::start(standin).unwrap();
                let client = Client::new(ClientOptions::new(standin.socket()));
                (Lxd::StandIn(standin), client, spec_for(place))
            }
        };
        let runner = match &lxd {
            Lxd::Real(real) => real.github.runner_source(),
            Lxd::StandIn(_) => RunnerSource::Image,
        };
        let mut options = ManagerOptions {
            rules: Rules {
                prefix,
                spec,
                deadlines: Deadlines::default(),
                pools: Vec::new(),
                sweep: Duration::from_mins(10),
                remembered: 1000,
                max_runners: None,
            },
            client: client.clone(),
            runner,
            guests: None,
            stock: None,
            accounts: Accounts::none(),
            application: watch::channel(None).1,
            state_dir: state.path().to_owned(),
            journal: larm::store::JOURNAL_BOUND,
            logs: LogBounds::default(),
            parallel: Parallel::all(4),
            exec_limit: Duration::from_secs(10),
            limits: OperationLimits::default(),
        };
        change(&mut options);
        let mut stage =
            Self { lxd, client, options, running: None, given: Mutex::default(), _state: state };
        stage.start();
        stage
    }

    /// Starts the manager.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        self.running = Some(start(self.options.clone()).unwrap());
    }

    /// Ends the manager at whatever it is doing: its tasks are dropped where they stand.
    pub async fn stop(&mut self) {
        let (_, running) = self.running.take().unwrap();
        running.stop(Duration::ZERO).await.unwrap();
    }

    /// The manager ends, and the one that comes next finds nothing of what it knew.
    pub async fn lose_store(&mut self) {
        self.stop().await;
        for file in std::fs::read_dir(&self.options.state_dir).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            }
        }
        self.start();
    }

    pub fn manager(&self) -> &LxdRunnerManager {
        &self.running.as_ref().unwrap().0
    }

    /// A runner with a credential and no job.
    pub async fn idle_runner(&self) -> RunnerId {
        let name = self.manager().new_name();
        let credential = Some(self.credential(&name));
        let order = CreateOrder { name: Some(name), credential, spec: None };
        self.manager().create(order).await.unwrap()
    }

    /// A runner that takes a job of this length as soon as it listens.
    pub async fn busy_runner(&self, job: Duration) -> RunnerId {
        let name = self.manager().new_name();
        if let Lxd::Real(real) = &self.lxd {
            real.queue_job(&name, job);
        }
        let credential = Some(self.credential(&name));
        let order = CreateOrder { name: Some(name.clone()), credential, spec: None };
        let id = self.manager().create(order).await.unwrap();
        if let Lxd::StandIn(standin) = &self.lxd {
            standin.guest(&name.to_string()).take_job(job);
        }
        id
    }

    /// A runner without a credential.
    pub async fn standby(&self) -> RunnerId {
        self.manager().create(CreateOrder::default()).await.unwrap()
    }

    /// What a runner of this name registers with.
    pub fn credential(&self, name: &InstanceName) -> Credential {
        let draw = || match &self.lxd {
            Lxd::StandIn(_) => SecretString::from("c2VjcmV0LWp1c3QtaW4tdGltZQ==".to_owned()),
            Lxd::Real(real) => real.jit_config(name),
        };
        let mut given = self.given.lock().unwrap();
        Credential::Jit(given.entry(name.clone()).or_insert_with(draw).clone())
    }

    /// Gives a job to a runner that listens, or will.
    pub fn give_job(&self, name: &InstanceName, job: Duration) {
        match &self.lxd {
            Lxd::StandIn(standin) => assert!(standin.guest(&name.to_string()).take_job(job)),
            Lxd::Real(real) => real.queue_job(name, job),
        }
    }

    /// Waits until a runner has come as far as `phase`.
    pub async fn reaches(&self, id: &RunnerId, phase: Phase) -> Arc<Record> {
        match self.manager().wait_for(id, phase, PATIENCE).await {
            Ok(record) => record,
            Err(error) => panic!("{error}\n{}", self.tell(id).await),
        }
    }

    pub async fn reaches_gone(&self, id: &RunnerId) -> Arc<Record> {
        self.reaches(id, Phase::Gone).await
    }

    /// Waits until a runner's record is as it should be.
    pub async fn becomes(&self, id: &RunnerId, is: impl Fn(&Record) -> bool) -> Arc<Record> {
        let mut view = self.manager().subscribe();
        let seen = view.wait_for(|view| view.runners.get(id).is_some_and(|record| is(record)));
        let seen = tokio::time::timeout(PATIENCE, seen).await.map(|seen| seen.map(drop));
        assert!(matches!(seen, Ok(Ok(()))), "{}", self.tell(id).await);
        self.record(id)
    }

    pub fn record(&self, id: &RunnerId) -> Arc<Record> {
        self.manager().view().runners.get(id).unwrap().clone()
    }

    pub async fn journal(&self, id: &RunnerId) -> Vec<JournalEntry> {
        let query = JournalQuery { limit: 10_000, runner: Some(id.clone()), ..Default::default() };
        self.manager().journal(query).await.unwrap()
    }

    /// The phases a runner went through, from its journal.
    pub async fn phases(&self, id: &RunnerId) -> Vec<Phase> {
        let phase = |entry: JournalEntry| match entry.what {
            JournalKind::Phase { phase, .. } => Some(phase),
            JournalKind::Metrics { .. }
            | JournalKind::Metric { .. }
            | JournalKind::Mismatch { .. }
            | JournalKind::Note { .. } => None,
        };
        self.journal(id).await.into_iter().filter_map(phase).collect()
    }

    /// How often its metrics were told.
    pub async fn metrics_told(&self, id: &RunnerId) -> usize {
        let journal = self.journal(id).await;
        journal.iter().filter(|one| matches!(one.what, JournalKind::Metrics { .. })).count()
    }

    async fn tell(&self, id: &RunnerId) -> String {
        let mut lines: Vec<String> =
            self.journal(id).await.iter().map(|entry| format!("{entry:?}")).collect();
        for log in self.manager().logs(id).await.unwrap_or_default() {
            let content = std::fs::read(&log.path).unwrap_or_default();
            lines.push(format!("== {}\n{}", log.name, String::from_utf8_lossy(&content)));
        }
        lines.join("\n")
    }

    /// The guest in the stand-in's hands.
    pub fn guest(&self, name: &InstanceName) -> Option<GuestHandle> {
        match &self.lxd {
            Lxd::StandIn(standin) => Some(standin.guest(&name.to_string())),
            Lxd::Real(_) => None,
        }
    }

    /// Runs a command inside a real guest, or does the like to a simulated one.
    pub async fn in_guest(&self, name: &InstanceName, script: &str, like: impl Fn(&GuestHandle)) {
        match &self.lxd {
            Lxd::StandIn(standin) => like(&standin.guest(&name.to_string())),
            Lxd::Real(real) => real.run(name, script).await,
        }
    }

    pub async fn is_there(&self, name: &InstanceName) -> bool {
        self.client.instance(&name.to_string()).await.unwrap().is_some()
    }

    /// Ends the story: nothing of it may be left anywhere.
    pub async fn strike(mut self) {
        let view = self.manager().view();
        for record in view.runners.values() {
            assert_eq!(record.phase, Phase::Gone, "{}", self.tell(record.id()).await);
        }
        let left = self.client.instances().await.unwrap();
        let prefix = self.options.rules.prefix.as_str();
        let left: Vec<_> = left.iter().filter(|one| one.name.starts_with(prefix)).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        match &self.lxd {
            Lxd::Real(real) => real.expect_no_double_run(),
            // On real LXD each of them holds up the start for half a minute.
            Lxd::StandIn(standin) => assert_eq!(standin.file_calls_during_start(), 0),
        }
        self.stop().await;
    }
}

fn spec_for(place: Place) -> Spec {
    let (image, instance_type) = match place {
        Place::StandInMachines => ("larm-debian12-vm", InstanceType::VirtualMachine),
        Place::StandInContainers | Place::RealLxd => ("larm-debian12", InstanceType::Container),
    };
    Spec {
        fingerprint: String::new(),
        baked: None,
        pool: "default".into(),
        image: image.into(),
        instance_type,
        profiles: vec!["default".into()],
        cpu: None,
        memory: None,
        disk: None,
        guest: String::new(),
        nesting: false,
        share: String::new(),
    }
}
