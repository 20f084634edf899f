//! `larm serve` as a process: started, asked over its control API, killed.

use std::process::Output;
use std::time::Duration;

use larm::http::types::{CreateRequest, Created, CredentialBody, DeleteRequest, Events, Runner};
use larm::model::{
    InstanceName, JournalEntry, JournalKind, MetricEvent, Phase, PostJobStatus, RunnerId,
    RunnerMetrics,
};
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::daemon::Daemon;
use crate::ground::{Ground, PATIENCE};
use crate::metric_events;

/// `larm serve`, which runs. Killed when dropped.
pub(crate) struct Larm(Daemon);

/// A runner's life as its journal tells it.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) phases: Vec<Phase>,
    pub(crate) metrics: RunnerMetrics,
}

impl Larm {
    /// Starts it, and returns when it says that it is ready.
    pub(crate) async fn start(ground: &Ground) -> Self {
        Self(Daemon::start(ground.directory.path(), PATIENCE).await)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill();
    }

    /// SIGTERM; its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.0.stop()
    }

    /// The command line, in this daemon's directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.0.run(arguments)
    }

    /// Orders a runner; a standby without a credential. Answered when LXD has made it.
    pub(crate) async fn create(&self, credential: Option<SecretString>) -> RunnerId {
        let answer = self.order(credential).send().await.unwrap();
        answer.error_for_status().unwrap().json::<Created>().await.unwrap().id
    }

    /// Orders a runner, and returns when its record is written.
    pub(crate) async fn begin(&self, credential: Option<SecretString>) -> RunnerId {
        let known = self.events(0, None).await.next;
        let order = self.order(credential);
        let noted = self.news(known, |entry| {
            matches!(entry.what, JournalKind::Phase { phase: Phase::Planned, .. })
        });
        // The answer comes only when the instance is made, if nobody is killed before that.
        let told = async {
            drop(order.send().await);
            std::future::pending::<JournalEntry>().await
        };
        let entry = tokio::select! {
            entry = noted => entry,
            never = told => never,
        };
        entry.runner.unwrap().id().clone()
    }

    fn order(&self, credential: Option<SecretString>) -> RequestBuilder {
        let credential = credential.map(CredentialBody::JitConfig);
        let order = CreateRequest { credential, ..CreateRequest::default() };
        self.request(Method::POST, "runners").json(&order)
    }

    /// Gives a standby its credential; answered when that is written down.
    pub(crate) async fn give(&self, id: &RunnerId, credential: SecretString) {
        let body = CredentialBody::JitConfig(credential);
        let request = self.request(Method::POST, &format!("runners/{id}/credential")).json(&body);
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// Orders a removal and waits until it has begun.
    pub(crate) async fn begin_removal(&self, id: &RunnerId) {
        let path = format!("runners/{id}");
        let order = self.request(Method::DELETE, &path).json(&DeleteRequest::default());
        let begun = async {
            loop {
                let runner: Runner = self.ask(self.request(Method::GET, &path)).await;
                if runner.removal.is_some() || runner.phase > Phase::Busy {
                    return;
                }
            }
        };
        tokio::select! {
            () = begun => {}
            answer = order.send() => { answer.unwrap().error_for_status().unwrap(); }
        }
    }

    pub(crate) async fn runner(&self, id: &RunnerId) -> Runner {
        self.ask(self.request(Method::GET, &format!("runners/{id}"))).await
    }

    /// Waits until a runner has come to `phase` or past it. One that fails before comes nowhere.
    pub(crate) async fn until(&self, id: &RunnerId, phase: Phase) {
        let entered = |entry: &JournalEntry| {
            let ours = entry.runner.as_ref().is_some_and(|runner| runner.id() == id);
            if let JournalKind::Phase { phase, .. } = entry.what {
                Some(phase).filter(|_| ours)
            } else {
                None
            }
        };
        let decided = |entry: &JournalEntry| entered(entry).is_some_and(|now| now >= phase);
        let came = match timeout(PATIENCE, self.news(0, decided)).await {
            Ok(entry) => entered(&entry).is_some_and(|now| now <= Phase::Finished.max(phase)),
            Err(_) => false,
        };
        assert!(came, "{id} does not come to {phase}: {:#?}", self.runner(id).await);
    }

    /// Waits until the journal has an entry after `seq` that is `wanted`.
    pub(crate) async fn news(
        &self,
        mut seq: u64,
        wanted: impl Fn(&JournalEntry) -> bool,
    ) -> JournalEntry {
        loop {
            let events = self.events(seq, Some(PATIENCE)).await;
            seq = events.next;
            if let Some(entry) = events.events.into_iter().find(|entry| wanted(entry)) {
                return entry;
            }
        }
    }

    pub(crate) async fn events(&self, after: u64, wait: Option<Duration>) -> Events {
        let wait = wait.unwrap_or_default().as_secs();
        let path = format!("events?after={after}&limit=10000&wait={wait}");
        self.ask(self.request(Method::GET, &path).timeout(PATIENCE * 2)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.0.request(method, path)
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> T {
        self.0.ask(request).await
    }

    /// A runner's life, once it is gone, from `larm events --json`: it went forwards only, and
    /// its metrics were told exactly once.
    pub(crate) async fn life(&self, id: &RunnerId) -> Life {
        self.until(id, Phase::Gone).await;
        let output =
            self.run(&["events", "--json", "--lines", "10000", "--runner", &id.to_string()]);
        let text = String::from_utf8(output.stdout).unwrap();
        let journal: Vec<JournalEntry> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (mut phases, mut metrics) = (Vec::new(), Vec::new());
        for entry in &journal {
            match &entry.what {
                JournalKind::Phase { phase, .. } => phases.push(*phase),
                JournalKind::Metrics { metrics: told } => metrics.push(told.clone()),
                JournalKind::Metric { .. }
                | JournalKind::Mismatch { .. }
                | JournalKind::Note { .. } => {}
            }
        }
        assert!(phases.is_sorted_by(|a, b| a < b), "not forwards only:\n{text}");
        assert_eq!(phases.last(), Some(&Phase::Gone), "{text}");
        assert_eq!(metrics.len(), 1, "not told exactly once:\n{text}");
        let life = Life { phases, metrics: metrics.remove(0) };
        life.expect_events(&metric_events::of_journal(&journal));
        life
    }

    /// The end of a test: every runner is gone and LXD has nothing of them.
    pub(crate) async fn end(self, ground: &Ground) {
        let names = self.names().await;
        for name in &names {
            self.life(name.id()).await;
        }
        let state = ground.directory.path().join("state");
        metric_events::file_has(&state, async || self.events(0, None).await.events).await;
        let left = ground.instances().await;
        assert!(left.is_empty(), "left behind: {left:?}");
        for job in ground.github.jobs() {
            assert!(job.runs <= 1, "{job:?}");
        }
        assert_eq!(self.stop(), Some(0));
    }

    /// All runners there ever were.
    pub(crate) async fn names(&self) -> Vec<InstanceName> {
        let all = self.events(0, None).await.events.into_iter().filter_map(|entry| entry.runner);
        let mut names: Vec<_> = all.collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Life {
    /// Monitoring was told of each thing that it has metrics of, once.
    fn expect_events(&self, told: &[MetricEvent]) {
        let metrics = &self.metrics;
        let installed = metrics.installation_start_timestamp.and(metrics.installed_timestamp);
        let job = metrics.pre_job.is_some();
        let all = [
            ("runner_installed", installed.is_some()),
            ("runner_start", job),
            ("runner_stop", job && metrics.post_job.is_some()),
        ];
        let expected: Vec<_> =
            all.into_iter().filter_map(|(kind, there)| there.then_some(kind)).collect();
        assert_eq!(told.iter().map(metric_events::kind).collect::<Vec<_>>(), expected, "{self:?}");
        assert!(told.iter().all(metric_events::is_plausible), "{told:?}");
    }

    /// Its job ran, and ended well.
    pub(crate) fn expect_a_good_job(&self) {
        assert!(self.metrics.pre_job.is_some(), "{self:?}");
        let post_job = self.metrics.post_job.as_ref().unwrap();
        assert_eq!(post_job.status, PostJobStatus::Normal, "{self:?}");
        assert!(!self.phases.contains(&Phase::Failed), "{self:?}");
    }

    /// It failed before it could take a job.
    pub(crate) fn expect_undone(&self) {
        assert!(self.metrics.pre_job.is_none(), "{self:?}");
        assert!(self.phases.contains(&Phase::Failed), "{self:?}");
    }
}
