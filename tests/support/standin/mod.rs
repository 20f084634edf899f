//! A stand-in for LXD: an HTTP server on a unix socket that answers as LXD 5.0.2 does, with
//! simulated guests inside its instances and faults to order.
//!
//! | simulated | how far |
//! |---|---|
//! | envelope | sync, async and error answers; failed operations in the shape of 5.0 or of newer servers |
//! | operations | made, told of, waited for, forgotten 5 s after their end; exec events out of order |
//! | instances | create, copy, list with recursion and filter, change, delete; names, keys, devices checked |
//! | power | start, stop, restart, freeze; ephemeral deletion with its order of events; restart of the server |
//! | virtual machines | late agent, execs that fail, no files while down, no console log, deaf power button |
//! | exec | recorded and over websockets; larm's own commands exactly, others by a small shell |
//! | files | content, owner, mode, directories, symlinks, 404s |
//! | events | lifecycle and operation events over a websocket, by type and project |
//! | host | server, projects, profiles, pools with resources, networks, images, aliases |
//!
//! Nothing here polls, and each pending timer is one task: hundreds of instances are cheap.

pub mod answer;
pub mod commands;
pub mod events;
pub mod exec;
pub mod faults;
pub mod files;
pub mod guest;
pub mod handle;
pub mod host;
pub mod images;
pub mod instance;
pub mod instances;
pub mod logs;
pub mod operations;
pub mod power;
pub mod programs;
pub mod publish;
pub mod server;
pub mod shell;
pub mod world;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use self::faults::Faults;
use self::guest::GuestPlan;
use self::handle::GuestHandle;
use self::server::Request;
use self::world::World;

/// Which server's habits are followed where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// LXD 5.0.
    Lxd50,
    /// LXD 6 and Incus: an operation that failed is an error inside a 200, recorded output has a
    /// directory of its own.
    Newer,
}

/// How the stand-in is set up. Times are short, so that tests are.
#[derive(Debug, Clone)]
pub struct StandInOptions {
    /// Whose habits it has.
    pub shape: Shape,
    /// What random faults are drawn from.
    pub seed: u64,
    /// The image aliases that are there; one that ends in `-vm` is a virtual machine's.
    pub images: Vec<String>,
    /// The storage pool's name.
    pub pool: String,
    /// Whether it can run virtual machines.
    pub vms: bool,
    /// How long a create takes.
    pub create_time: Duration,
    /// How long a start operation takes.
    pub start_time: Duration,
    /// How long a stop takes.
    pub stop_time: Duration,
    /// How long a deletion takes.
    pub delete_time: Duration,
    /// How long a command takes at least.
    pub exec_time: Duration,
    /// How long a virtual machine's agent takes to come up, from the end of the start operation.
    pub agent_delay: Duration,
    /// How long a guest takes from then until it is ready.
    pub boot_time: Duration,
    /// How long a listener takes from its credential until it listens.
    pub register_time: Duration,
    /// How long a guest takes to shut itself down.
    pub power_off_time: Duration,
    /// Every listener takes a job of this length at once.
    pub auto_job: Option<Duration>,
}

/// A running stand-in; its end is the server's.
#[derive(Debug)]
pub struct StandIn {
    world: Arc<World>,
    socket: PathBuf,
    _directory: TempDir,
}

/// What a test sees of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// LXD's word for its power.
    pub status: &'static str,
    /// Whether it is ephemeral.
    pub ephemeral: bool,
    /// Its own configuration.
    pub config: BTreeMap<String, String>,
}

impl Default for StandInOptions {
    fn default() -> Self {
        let short = Duration::from_millis(5);
        Self {
            shape: Shape::Lxd50,
            seed: 1,
            images: ["larm-debian12", "larm-test-debian12", "larm-debian12-vm"]
                .map(Into::into)
                .into(),
            pool: "larm".into(),
            vms: true,
            create_time: short,
            start_time: short,
            stop_time: short,
            delete_time: short,
            exec_time: Duration::from_millis(1),
            agent_delay: Duration::from_millis(40),
            boot_time: Duration::from_millis(20),
            register_time: short,
            power_off_time: short,
            auto_job: None,
        }
    }
}

impl StandIn {
    /// Starts a stand-in on a socket in a directory of its own.
    pub fn start(options: StandInOptions) -> io::Result<Self> {
        let directory = TempDir::with_prefix("standin-")?;
        let socket = directory.path().join("unix.socket");
        let world = World::new(options);
        world.serve(&socket)?;
        Ok(Self { world, socket, _directory: directory })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// An instance of the default project, also one that is not there yet.
    pub fn guest(&self, name: &str) -> GuestHandle {
        self.guest_in("default", name)
    }

    /// An instance of any project.
    pub fn guest_in(&self, project: &str, name: &str) -> GuestHandle {
        GuestHandle::new(Arc::clone(&self.world), (project.to_owned(), name.to_owned()))
    }

    /// The next guests that come up for the first time get these plans, one each, in turn.
    pub fn plan_next(&self, plans: impl IntoIterator<Item = GuestPlan>) {
        self.world.with(|all| all.plans.extend(plans));
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// Cuts all event websockets.
    pub fn disconnect_events(&self) {
        self.world.cut_listeners();
    }

    /// How many event websockets are open.
    pub fn event_listeners(&self) -> usize {
        self.world.bus.listeners()
    }

    /// Stops the server as a restart of LXD does: guests run on, operations are lost.
    pub fn stop_server(&self) -> io::Result<()> {
        self.world.close(&self.socket)
    }

    /// Starts the server again.
    pub fn start_server(&self) -> io::Result<()> {
        self.world.serve(&self.socket)
    }

    /// All instances of all projects.
    pub fn instances(&self) -> Vec<Seen> {
        self.world.with(|all| {
            let seen = all.instances.iter().map(|((project, name), one)| Seen {
                project: project.clone(),
                name: name.clone(),
                status: one.power.status().0,
                ephemeral: one.ephemeral,
                config: one.config.clone(),
            });
            seen.collect()
        })
    }

    /// The requests that were received, the oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.world.with(|all| all.requests.iter().cloned().collect())
    }

    /// Forgets the requests that were received.
    pub fn clear_requests(&self) {
        self.world.with(|all| all.requests.clear());
    }

    /// How many calls of the file API came while the instance's start was under way; on a real
    /// LXD each of them holds the start up for half a minute.
    pub fn file_calls_during_start(&self) -> u64 {
        self.world.with(|all| all.file_calls_during_start)
    }

    /// How many jobs an instance of the default project ran; it may be gone since.
    pub fn jobs_of(&self, name: &str) -> u32 {
        self.world.jobs_of(&("default".to_owned(), name.to_owned()))
    }

    /// How many recorded outputs were left lying about.
    pub fn recorded_outputs(&self) -> usize {
        self.world.with(|all| all.instances.values().map(|one| one.logs.len()).sum())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.world.over.cancel();
    }
}

/// The project that a request is about.
fn project_of(query: &BTreeMap<String, String>) -> String {
    query.get("project").cloned().unwrap_or_else(|| "default".into())
}
