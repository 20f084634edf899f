//! `larm serve` as a process: started, asked over its control API, killed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use larm::http::types::farm::{Jobs, Pools, Why};
use larm::http::types::{Events, Runner, Runners};
use larm::model::{JournalEntry, JournalKind, Mismatch, Phase};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::ground::{Ground, PATIENCE};

/// `larm serve`, which runs. Killed when dropped.
pub(crate) struct Larm {
    child: Child,
    directory: PathBuf,
    api: reqwest::Client,
}

impl Larm {
    /// Starts it, and returns when it says that it is ready.
    pub(crate) async fn start(ground: &Ground) -> Self {
        let directory = ground.directory.path().to_owned();
        let socket = directory.join("notify.sock");
        drop(std::fs::remove_file(&socket));
        let notify = UnixDatagram::bind(&socket).unwrap();
        let log = File::options().append(true).create(true).open(directory.join("log")).unwrap();
        let mut command = command(&directory, &["serve"]);
        command.env("NOTIFY_SOCKET", &socket).stdout(Stdio::null()).stderr(log);
        let api = reqwest::Client::builder()
            .unix_socket(directory.join("control.sock"))
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        let larm = Self { child: command.spawn().unwrap(), directory, api };
        timeout(PATIENCE, ready(&notify)).await.unwrap().unwrap();
        larm
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; it ends well.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The command line, in this daemon's directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        command(&self.directory, arguments).output().unwrap()
    }

    /// Why a job or a runner is as it is, as one text.
    pub(crate) async fn why(&self, subject: &str) -> String {
        let why: Why = self.ask(&format!("why/{subject}")).await;
        let history = why.history.into_iter().map(|note| note.text);
        let lines = [why.subject, why.answer].into_iter().chain(why.facts).chain(history);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// All runners, gone ones too.
    pub(crate) async fn runners(&self) -> Vec<Runner> {
        self.ask::<Runners>("runners?all=true").await.runners
    }

    pub(crate) async fn live(&self) -> Vec<Runner> {
        self.runners().await.into_iter().filter(|one| one.phase <= Phase::Busy).collect()
    }

    pub(crate) async fn pools(&self) -> Pools {
        self.ask("pools").await
    }

    /// Whether GitHub's queue was looked at.
    pub(crate) async fn has_polled(&self) -> bool {
        self.pools().await.polled
    }

    pub(crate) async fn jobs(&self) -> Jobs {
        self.ask("jobs?all=true&limit=10000").await
    }

    pub(crate) async fn journal(&self) -> Vec<JournalEntry> {
        self.ask::<Events>("events?limit=10000").await.events
    }

    /// Whether the journal tells of this.
    pub(crate) async fn tells_of(&self, wanted: Mismatch) -> bool {
        let is = |entry: &JournalEntry| matches!(&entry.what, JournalKind::Mismatch { mismatch, .. } if *mismatch == wanted);
        self.journal().await.iter().any(is)
    }

    /// Waits until so many runners are in a phase.
    pub(crate) async fn until_there_are(&self, ground: &Ground, count: usize, phase: Phase) {
        let what = format!("{count} runners are {phase}");
        ground
            .until(&what, async || {
                self.live().await.iter().filter(|one| one.phase == phase).count() == count
            })
            .await;
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> T {
        let request = self.api.get(format!("http://larm/1.0/{path}"));
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }
}

impl Drop for Larm {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            eprintln!("== what larm said\n{log}");
        }
    }
}

/// The binary in this directory, with nothing of the user's environment.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larm"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LARM_CONFIG", directory.join("larm.toml"))
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}

async fn ready(notify: &UnixDatagram) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = notify.recv(&mut buffer).await?;
        let told = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        if told.lines().any(|line| line == "READY=1") {
            return Ok(());
        }
    }
}
