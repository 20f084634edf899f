//! What a test of the farm does with the daemon.

use std::process::{Command, Output};

use larm::http::types::farm::{Jobs, Pools, Why};
use larm::http::types::{Events, Runner, Runners};
use larm::model::{JournalEntry, JournalKind, Mismatch, Phase};
use reqwest::Method;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::ground::{Ground, PATIENCE};

/// `larm serve`, which runs. Killed when dropped.
pub(crate) struct Larm(Daemon);

impl Larm {
    /// Starts it, and returns when it says that it is ready.
    pub(crate) async fn start(ground: &Ground) -> Self {
        Self(Daemon::start(ground.directory.path(), PATIENCE).await)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill();
    }

    /// SIGTERM; it ends well.
    pub(crate) fn stop(mut self) {
        assert_eq!(self.0.stop(), Some(0));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    /// The command line, in this daemon's directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.0.run(arguments)
    }

    /// The command line, to be run beside the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.0.command(arguments)
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

    /// The number of the newest job that it knows.
    pub(crate) async fn newest_job(&self) -> Option<u64> {
        self.ask::<Jobs>("jobs?all=true&limit=1").await.jobs.first().map(|one| one.job.id)
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

    /// The sum of all samples of this name.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let output = self.run(&["metrics", "--json"]);
        let samples: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let own = samples.iter().filter(|sample| sample["name"] == name);
        own.map(|sample| sample["value"].as_f64().unwrap()).sum()
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> T {
        self.0.ask(self.0.request(Method::GET, path)).await
    }
}
