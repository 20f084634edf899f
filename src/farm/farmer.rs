//! The one owner of jobs and of what GitHub told; it decides, and orders.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::demand::{Demand, MOST_REMEMBERED};
use super::facts::{self, Facts};
use super::rolls::{self, Leak};
use super::tasks::Tasks;
use super::{FarmOptions, FarmView, Input, host};
use crate::clock;
use crate::github::Deletion;
use crate::manager::{FarmOrder, LxdRunnerManager, View};
use crate::model::plan::{Farm, Move, Plan, plan};
use crate::model::{
    Binding, Budget, Cost, Finding, GitHubRunner, Handover, JobId, JobState, Mismatch, Record,
    Roll, Suspicions, Target, committed,
};

/// How many inputs are taken before the next plan.
const BATCH: usize = 256;
/// How often old jobs are looked through.
const PRUNE: Duration = Duration::from_mins(1);
pub(super) struct Farmer {
    manager: LxdRunnerManager,
    inputs: mpsc::Receiver<Input>,
    sender: watch::Sender<Arc<FarmView>>,
    tasks: Tasks,
    stop: CancellationToken,
    demand: Demand,
    suspicions: Suspicions,
    facts: Facts,
    /// Registrations without an instance that are being removed.
    removing: BTreeSet<crate::model::InstanceName>,
    /// Targets whose runners GitHub has listed since the start.
    listed: BTreeSet<Target>,
    /// Orders that came from news, not from the plan.
    orders: Vec<FarmOrder>,
    view: FarmView,
}

impl Farmer {
    pub(super) fn new(
        options: FarmOptions,
        inputs: mpsc::Sender<Input>,
        received: mpsc::Receiver<Input>,
        sender: watch::Sender<Arc<FarmView>>,
        tracker: TaskTracker,
    ) -> Self {
        let FarmOptions { manager, accounts, client, settings, stop } = options;
        let view = sender.subscribe();
        let tasks = Tasks::new(client, accounts, inputs, view, tracker, stop.clone());
        Self {
            manager,
            inputs: received,
            sender,
            tasks,
            stop,
            demand: Demand::default(),
            suspicions: Suspicions::default(),
            facts: Facts::default(),
            removing: BTreeSet::new(),
            listed: BTreeSet::new(),
            orders: Vec::new(),
            view: FarmView { settings: Arc::new(settings), ..FarmView::default() },
        }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        let (live, ended) = tokio::join!(
            self.manager.kept_jobs(usize::MAX, false),
            self.manager.kept_jobs(MOST_REMEMBERED, true),
        );
        match live.and_then(|live| Ok((live, ended?))) {
            Ok((live, ended)) => self.demand = Demand::new(ended.into_iter().chain(live)),
            Err(error) => tracing::error!(%error, "kept jobs could not be read"),
        }
        self.begin_tasks();
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.farm()).await.unwrap_or_default();
        self.keep_the_rest().await;
    }

    /// What was taken from a webhook is not told again: it is written down before the end.
    async fn keep_the_rest(&mut self) {
        let runners = self.manager.view();
        while let Ok(input) = self.inputs.try_recv() {
            if let Input::Seen(_) = &input {
                self.take(input, &runners);
            }
        }
        self.keep().await;
    }

    async fn farm(&mut self) {
        let mut records = self.manager.subscribe();
        let mut prune = interval_at(Instant::now() + PRUNE, PRUNE);
        let mut inputs = Vec::with_capacity(BATCH);
        loop {
            let runners = Arc::clone(&records.borrow_and_update());
            let Some(look_again) = self.decide(&runners).await else { return };
            tokio::select! {
                biased;
                _ = self.inputs.recv_many(&mut inputs, BATCH) => {}
                changed = records.changed() => if changed.is_err() { return },
                _ = prune.tick() => self.demand.prune(clock::now()),
                () = clock::sleep_until(look_again) => {}
            }
            let runners = Arc::clone(&records.borrow());
            for input in inputs.drain(..) {
                self.take(input, &runners);
            }
        }
    }

    /// Plans, writes down, orders. `None` where the manager has ended.
    async fn decide(&mut self, runners: &View) -> Option<Option<Timestamp>> {
        let now = clock::now();
        let Plan { moves, waiting, look_again } = self.plan(runners, now);
        self.demand.note(&waiting, now);
        self.keep().await;
        self.view.waiting = Arc::new(waiting);
        self.publish();
        self.learn_facts(runners);
        let mut orders = std::mem::take(&mut self.orders);
        orders.extend(moves.into_iter().map(FarmOrder::Move));
        if orders.is_empty() {
            return Some(look_again);
        }
        self.manager.carry(orders).await.ok()?;
        Some(look_again)
    }

    fn learn_facts(&mut self, runners: &View) {
        let (orders, questions) = self.facts.look(runners, &self.view);
        self.orders.extend(orders);
        for question in questions {
            let account = self.tasks.accounts.borrow().get(&question.connection).cloned();
            let Some(account) = account else { continue };
            self.tasks.spawn(facts::ask(self.tasks.clone(), account.connection, question));
        }
    }

    fn plan(&self, runners: &View, now: Timestamp) -> Plan {
        let settings = &self.view.settings;
        let host = self.view.host.unwrap_or_else(|| host::machine(&settings.host));
        let budget = Budget {
            host,
            runners: settings.host.max_runners,
            creations_per_minute: settings.host.creations_per_minute,
        };
        plan(Farm {
            pools: &settings.pools,
            records: &runners.runners,
            jobs: &self.demand.jobs,
            budget: &budget,
            doomed: &self.view.doomed,
            lists_are_complete: self.lists_are_complete(),
            now,
        })
    }

    async fn keep(&mut self) {
        let dirty = self.demand.take_dirty();
        if dirty.is_empty() {
            return;
        }
        // Jobs are asked for again after a restart: a disk that takes nothing stops no runner.
        if let Err(error) = self.manager.keep_jobs(dirty.clone()).await {
            tracing::error!(%error, "jobs were not written down");
            self.demand.still_dirty(&dirty);
        }
    }

    fn publish(&mut self) {
        self.view.jobs = Arc::clone(&self.demand.jobs);
        let targets = self.targets();
        let due = |target: Target| Some((target.clone(), self.suspicions.next_due(&target)?));
        self.view.suspected = targets.into_iter().filter_map(due).collect();
        self.sender.send_replace(Arc::new(self.view.clone()));
    }

    fn take(&mut self, input: Input, runners: &View) {
        match input {
            Input::Seen(seen) => {
                let settings = Arc::clone(&self.view.settings);
                let placed = self.demand.take(seen, &settings.pools, clock::now());
                for job in placed {
                    self.look_for_theft(job, runners);
                }
            }
            Input::Rolled { target, asked_at, runners: listed } => {
                self.rolled(&target, asked_at, listed, runners);
            }
            Input::Leaked(leak) => self.leak_ended(leak),
            Input::Polled { connection, result } => {
                let known = self.view.connections.entry(connection).or_default();
                if result.is_ok() {
                    known.polled_at = Some(clock::now());
                }
                tell_change(&mut known.poll_trouble, result.err(), "GitHub's queue");
            }
            Input::Host(host) => {
                // What is free of the storage pool is measured with what runners have taken of it
                // by then; what is promised later comes off.
                let there = committed(runners.runners.values().map(AsRef::as_ref));
                let disk = host.disk.saturating_add(there.disk);
                self.view.host = Some(Cost { disk, ..host });
            }
            Input::Doomed(versions) => self.view.doomed = versions.into_iter().collect(),
            Input::Settings(settings) => {
                self.view.settings = Arc::new(*settings);
                self.view.host = None;
                self.view.connections.clear();
                self.begin_tasks();
            }
        }
    }

    fn begin_tasks(&mut self) {
        // Whoever removed them has ended.
        self.removing.clear();
        let settings = Arc::clone(&self.view.settings);
        let targets = self.targets();
        self.tasks.begin(&settings, targets);
    }

    /// Whether GitHub has told of every place where a runner may be registered.
    fn lists_are_complete(&self) -> bool {
        self.view.settings.pools.iter().all(|pool| self.listed.contains(&pool.target))
    }

    /// Where runners are registered or may yet be.
    fn targets(&self) -> BTreeSet<Target> {
        let view = self.manager.view();
        let bound = view.runners.values().filter_map(|record| record.binding.as_ref());
        let bound = bound.map(|binding| &binding.target);
        self.view.settings.pools.iter().map(|pool| &pool.target).chain(bound).cloned().collect()
    }

    /// A runner is given whatever job fits it, not the one that it was wanted for. The count of
    /// runners sees to it that the other job gets one; this only tells.
    fn look_for_theft(&mut self, job: JobId, runners: &View) {
        let Some(job) = self.demand.jobs.get(&job) else { return };
        let Some(name) = &job.runner else { return };
        let Some(record) = runners.runners.values().find(|one| one.name.to_string() == *name)
        else {
            return;
        };
        let wanted = record.binding.as_ref().and_then(|binding| binding.job);
        let Some(wanted) = wanted.filter(|wanted| *wanted != job.id) else { return };
        let waits = self.demand.jobs.get(&wanted).is_some_and(|one| one.state == JobState::Queued);
        if waits {
            self.orders.push(FarmOrder::Tell {
                runner: record.name.clone(),
                mismatch: Mismatch::Stolen,
                text: format!(
                    "it was wanted for job {wanted} and took job {}: job {wanted} gets another",
                    job.id
                ),
            });
        }
    }

    fn rolled(
        &mut self,
        target: &Target,
        asked_at: Timestamp,
        listed: Result<Vec<GitHubRunner>, String>,
        runners: &View,
    ) {
        let known = self.view.connections.entry(target.connection.clone()).or_default();
        let listed = match listed {
            Ok(listed) => {
                known.list_trouble.remove(&target.path.to_string());
                listed
            }
            Err(error) => {
                let place = known.list_trouble.entry(target.path.to_string()).or_default();
                if *place != error {
                    tracing::warn!(target = %target.path, %error, "GitHub's runners cannot be listed");
                    *place = error;
                }
                return;
            }
        };
        self.listed.insert(target.clone());
        self.recognize(target, &listed, runners);
        let roll = Roll { target, runners: &listed, asked_at };
        let prefix = crate::manager::CloudRunnerManager::name_prefix(&self.manager).clone();
        for finding in self.suspicions.weigh(&runners.runners, &prefix, &roll) {
            self.remedy(finding);
        }
    }

    /// What LXD knows of a runner does not say where it is registered: after the store was lost,
    /// GitHub's list does.
    fn recognize(&mut self, target: &Target, listed: &[GitHubRunner], runners: &View) {
        let lost = |record: &&Arc<Record>| {
            let credential = !matches!(record.handover, Handover::None | Handover::Wanted);
            record.is_of_farm() && record.binding.is_none() && record.is_live() && credential
        };
        for record in runners.runners.values().filter(lost) {
            let name = record.name.to_string();
            let Some(found) = listed.iter().find(|one| one.name == name) else { continue };
            let pools = self.view.settings.pools.iter();
            let pool =
                pools.filter(|pool| pool.target == *target).find(|pool| alike(found, &pool.labels));
            let binding = Binding {
                pool: pool.map_or_else(|| record.spec.pool.clone(), |pool| pool.name.clone()),
                target: target.clone(),
                labels: pool.map_or_else(|| found.labels.clone(), |pool| pool.labels.clone()),
                job: None,
                since: clock::now(),
            };
            let (runner, registration) = (record.id().clone(), found.id);
            self.orders.push(FarmOrder::Recognize { runner, binding, registration });
        }
    }

    fn remedy(&mut self, finding: Finding) {
        let seconds = clock::now().duration_since(finding.since).as_secs();
        let runner = finding.name.id().clone();
        let reason = match finding.mismatch {
            Mismatch::Ghost => format!("it listens, and GitHub has not known it for {seconds} s"),
            Mismatch::Deaf => format!("GitHub has not seen it online for {seconds} s"),
            Mismatch::LeakedRecord => return self.remove_leak(finding),
            Mismatch::Zombie | Mismatch::Stolen | Mismatch::Orphan | Mismatch::Doomed => return,
        };
        let mismatch = Some(finding.mismatch);
        self.orders.push(FarmOrder::Move(Move::Retire { runner, reason, mismatch }));
    }

    fn remove_leak(&mut self, finding: Finding) {
        let account = self.tasks.accounts.borrow().get(&finding.target.connection).cloned();
        let Some(account) = account else { return };
        if self.removing.insert(finding.name.clone()) {
            self.tasks.spawn(rolls::remove(self.tasks.clone(), account.connection, finding));
        }
    }

    fn leak_ended(&mut self, leak: Leak) {
        self.removing.remove(&leak.name);
        let text = match leak.result {
            Ok(Deletion::Deleted) => "GitHub knew it without an instance: removed there".to_owned(),
            // It went by itself, or GitHub says that it is busy: the next list tells.
            Ok(Deletion::NotThere | Deletion::Busy) => return,
            Err(error) => {
                tracing::warn!(runner = %leak.name, %error, "a registration without an instance stays");
                return;
            }
        };
        let (runner, mismatch) = (leak.name, Mismatch::LeakedRecord);
        self.orders.push(FarmOrder::Tell { runner, mismatch, text });
    }
}

fn alike(runner: &GitHubRunner, labels: &[String]) -> bool {
    let set = |labels: &[String]| -> BTreeSet<String> {
        labels.iter().map(|label| label.to_lowercase()).collect()
    };
    set(&runner.labels) == set(labels)
}

fn tell_change(known: &mut Option<String>, now: Option<String>, what: &str) {
    match (&known, &now) {
        (_, Some(error)) if known.as_ref() != Some(error) => {
            tracing::warn!(%error, "{what} cannot be looked at");
        }
        (Some(_), None) => tracing::info!("{what} can be looked at again"),
        _ => {}
    }
    *known = now;
}
