//! A host with a stand-in GitHub on its bridge, and guests on it that go away with the test.

use std::collections::BTreeMap;
use std::time::Duration;

use larm::guest::{
    Credential, UserData, application, command, handover, paths, probe, report, user_data,
};
use larm::lxd::{
    Client, ClientOptions, Exec, ExecOutput, FileOptions, ImageSource, NewInstance, StateChange,
};
use larm::model::{GuestPhase, GuestReport, InstanceName, ProbeReading, RunnerId};
use larm::smoke::bridge_address;
use larm::smoke::standin::StandIn;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;

use crate::host;

/// No test waits longer for a guest.
const PATIENCE: Duration = Duration::from_mins(2);

/// Guests boot two at a time: these tests share small machines.
static SLOTS: Semaphore = Semaphore::const_new(2);

/// A host with a stand-in GitHub.
pub(crate) struct Host {
    pub(crate) client: Client,
    image: String,
    pub(crate) github: StandIn,
    tasks: TaskTracker,
    _slot: SemaphorePermit<'static>,
}

/// A guest under test; its instance is deleted when this is dropped.
pub(crate) struct Guest<'a> {
    host: &'a Host,
    pub(crate) name: InstanceName,
    seq: u64,
}

impl Host {
    /// The host, or `None` if there is no LXD to test on, which is said.
    pub(crate) async fn find() -> Option<Self> {
        let slot = SLOTS.acquire().await.unwrap();
        let client = host::client()?.with_timeout(PATIENCE);
        let address = bridge_address(&client, &[host::profile()]).await.unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let github = StandIn::new(&url).unwrap();
        let tasks = TaskTracker::new();
        tasks.spawn(github.clone().serve(listener));
        Some(Self { client, image: host::image(), github, tasks, _slot: slot })
    }

    /// A guest that downloads the stand-in's runner application.
    pub(crate) async fn boot(&self) -> Guest<'_> {
        self.boot_with(&UserData { runner: self.github.runner_source(), ..UserData::default() })
            .await
    }

    /// A guest with its own user-data.
    pub(crate) async fn boot_with(&self, data: &UserData) -> Guest<'_> {
        let id = RunnerId::from_bits(uuid::Uuid::new_v4().as_u64_pair().0);
        let name = InstanceName::new("tgst".parse().unwrap(), id);
        let guest = Guest { host: self, name, seq: 0 };
        let user_data = user_data::render(data).unwrap();
        let new = NewInstance {
            name: guest.name.to_string(),
            instance_type: host::instance_type(),
            image: ImageSource::Alias(self.image.clone()),
            profiles: vec![host::profile()],
            config: BTreeMap::from([
                ("cloud-init.user-data".to_owned(), user_data),
                ("boot.autostart".to_owned(), "false".to_owned()),
            ]),
            ..NewInstance::default()
        };
        let created = self.client.create_instance(&new).await.unwrap();
        self.client.wait(&created, PATIENCE).await.unwrap();
        guest.change(StateChange::Start).await;
        guest
    }

    /// Ends the stand-in.
    pub(crate) async fn close(self) {
        self.github.stop();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Guest<'_> {
    /// The guest's name as text.
    pub(crate) fn name(&self) -> String {
        self.name.to_string()
    }

    pub(crate) async fn change(&self, change: StateChange) {
        let operation = self.host.client.change_state(&self.name(), change).await.unwrap();
        self.host.client.wait(&operation, PATIENCE).await.unwrap();
    }

    pub(crate) async fn exec(&self, command: Vec<String>) -> ExecOutput {
        let exec = Exec { command, ..Exec::default() };
        self.host.client.run(&self.name(), &exec, 1 << 20, PATIENCE).await.unwrap()
    }

    /// Runs a shell command and returns what it printed.
    pub(crate) async fn shell(&self, text: &str) -> String {
        self.exec(vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]).await.text()
    }

    /// Waits for the next change of phase.
    pub(crate) async fn next(&mut self) -> GuestReport {
        let output = self.exec(command::watch(self.seq)).await;
        let report =
            report::parse(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"));
        self.seq = report.seq;
        report
    }

    /// Waits until the guest has come as far as `phase`.
    pub(crate) async fn until(&mut self, phase: GuestPhase) -> GuestReport {
        loop {
            let report = self.next().await;
            if report.phase >= phase {
                assert!(report.phase == phase || phase < GuestPhase::Finished, "{report:?}");
                return report;
            }
        }
    }

    pub(crate) async fn report(&self) -> Result<GuestReport, report::ReportError> {
        let output = self.exec(command::report()).await;
        assert!(output.stdout.len() <= command::OUTPUT_CAP);
        report::parse(&output.stdout)
    }

    pub(crate) async fn probe(&self) -> ProbeReading {
        probe::parse(&self.exec(command::probe()).await.stdout).unwrap()
    }

    /// Waits until cloud-init has ended, and returns what the probe says then.
    pub(crate) async fn probe_at_end(&self) -> ProbeReading {
        self.shell("timeout 60 cloud-init status --wait").await;
        self.probe().await
    }

    /// Pushes the stand-in's application as the host does, as if this were its checksum.
    pub(crate) async fn push_application(&self, sha256: &str) {
        let (name, client) = (self.name(), &self.host.client);
        let directory = FileOptions { mode: 0o700, ..FileOptions::PRIVATE };
        client.push_directory(&name, paths::INCOMING, directory).await.unwrap();
        self.push(application::ARCHIVE, &self.host.github.application().archive()).await;
        self.push(application::COMPLETE, &application::mark(sha256)).await;
    }

    pub(crate) async fn give(&self, credential: &Credential) {
        let bytes = handover::credential(credential, &self.name).unwrap();
        self.push(paths::CREDENTIAL, &bytes).await;
    }

    /// Another listener than the stand-in's, a shell script, for the next start.
    pub(crate) async fn install_listener(&self, script: &str) {
        let options = FileOptions { uid: 0, gid: 0, mode: 0o755 };
        let (name, path) = (self.name(), format!("{}/bin/Runner.Listener", paths::APPLICATION));
        let text = format!("#!/bin/sh\n{script}\n").into_bytes();
        self.host.client.push_file(&name, &path, text, options).await.unwrap();
    }

    /// There is no place any more where a credential could be put.
    pub(crate) async fn takes_no_credential(&self, credential: &Credential) {
        let bytes = handover::credential(credential, &self.name).unwrap();
        let (name, options) = (self.name(), FileOptions::PRIVATE);
        let client = &self.host.client;
        let pushed = client.push_file(&name, paths::CREDENTIAL, bytes.to_vec(), options).await;
        assert!(pushed.unwrap_err().is_not_found());
    }

    pub(crate) async fn push(&self, path: &str, bytes: &[u8]) {
        let name = self.name();
        let client = &self.host.client;
        client.push_file(&name, path, bytes.to_vec(), FileOptions::PRIVATE).await.unwrap();
    }

    /// Gives it a just-in-time configuration of its own, for jobs that ask for its name.
    pub(crate) async fn give_jit(&self) {
        let jit = self.host.github.jit_config(&self.name(), &[&self.name(), "linux"]).unwrap();
        self.give(&Credential::Jit(jit)).await;
    }

    pub(crate) async fn flush(&self, busy: bool) -> i32 {
        self.exec(command::flush(busy)).await.code
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let (client, name) = (self.host.client.clone(), self.name());
        let thread = std::thread::spawn(move || remove(&client, &name));
        assert!(thread.join().is_ok() || std::thread::panicking(), "the guest was not removed");
    }
}

fn remove(client: &Client, name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Its own connections: those of the test belong to another runtime.
        let options = ClientOptions {
            project: client.project().to_owned(),
            timeout: PATIENCE,
            ..ClientOptions::new(client.socket())
        };
        let client = Client::new(options);
        if let Ok(operation) = client.change_state(name, StateChange::PULL_THE_PLUG).await {
            // It may be stopped.
            drop(client.wait(&operation, PATIENCE).await);
        }
        // A stop that somebody else ordered may still be under way.
        for _ in 0..20 {
            let deleted = match client.delete_instance(name).await {
                Ok(operation) => client.wait(&operation, PATIENCE).await.map(|_| ()),
                Err(error) if error.is_not_found() => return,
                Err(error) => Err(error),
            };
            match deleted {
                Ok(()) => return,
                Err(error) => println!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("{name} could not be deleted");
    });
}
