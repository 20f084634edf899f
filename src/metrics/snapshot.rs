//! What is looked up when somebody asks: how many of everything there are now.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus::proto::MetricFamily;
use prometheus::{Error, GaugeVec, Opts, Registry};

use super::Scrape;
use super::process::{Process, number};
use super::text::Known;
use crate::farm::{ConnectionView, FarmView};
use crate::manager::{Accounts, View};
use crate::model::{Handover, Health, JobState, Phase, Record};

/// What stands for the phase of a runner whose instance is held for inspection.
const HELD: &str = "held";

/// What one look has found.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) known: Vec<Known>,
    pub(super) families: Vec<MetricFamily>,
}

/// Looks everything up.
pub(super) fn take(scrape: &Scrape, now: Timestamp) -> Result<Snapshot, Error> {
    let mut page =
        Page { registry: Registry::new(), known: Vec::new(), flavor: &scrape.metrics.flavor };
    let (view, farm) = (scrape.manager.view(), scrape.farm.view());
    page.runners(scrape, &view, now)?;
    page.deletions(&view, now)?;
    page.expected(&view, &farm)?;
    page.pools(&farm)?;
    page.standbys(&view)?;
    page.jobs(&farm, now)?;
    page.github(&farm, &scrape.accounts.borrow())?;
    page.state(scrape, &view, &farm)?;
    page.process(scrape)?;
    Ok(Snapshot { families: page.registry.gather(), known: page.known })
}

/// What is being looked up.
struct Page<'a> {
    registry: Registry,
    known: Vec<Known>,
    flavor: &'a str,
}

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        self.known.push(Known { name: name.to_owned(), help: help.to_owned(), kind: "gauge" });
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn single(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        self.gauge(name, help, &[])?.with_label_values::<&str>(&[]).set(value);
        Ok(())
    }

    fn runners(&mut self, scrape: &Scrape, view: &View, now: Timestamp) -> Result<(), Error> {
        let help = "Runners that there are, by phase and pool.";
        let gauge = self.gauge("larm_runners", help, &["phase", "pool"])?;
        let mut pools: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for record in view.runners.values().filter(|record| record.phase != Phase::Gone) {
            let pool = scrape.metrics.instruments.pools.value(record.pool());
            let phase = if record.is_held(now) { HELD } else { record.phase.as_str() };
            *pools.entry(pool).or_default().entry(phase).or_default() += 1;
        }
        // A pool without runners is told of, too.
        let settings = &scrape.farm.view().settings;
        for pool in &settings.pools {
            pools.entry(scrape.metrics.instruments.pools.value(&pool.name)).or_default();
        }
        for (pool, counts) in &pools {
            let all = Phase::ALL.iter().filter(|phase| **phase != Phase::Gone);
            for phase in all.map(|phase| phase.as_str()).chain([HELD]) {
                let count = counts.get(phase).copied().unwrap_or_default();
                gauge.with_label_values(&[phase, pool]).set(number(count));
            }
        }
        Ok(())
    }

    fn deletions(&mut self, view: &View, now: Timestamp) -> Result<(), Error> {
        let help = "How long the oldest instance is to be deleted; 0 where none is.";
        let ages = view.runners.values().filter_map(|record| deletion(record, now));
        self.single("larm_oldest_deletion_seconds", help, ages.fold(0.0, f64::max))
    }

    fn expected(&mut self, view: &View, farm: &FarmView) -> Result<(), Error> {
        let pools = farm.settings.pools.iter();
        let expected: usize = pools.map(|pool| pool.min_idle + pool.standby).sum();
        let busy = view.runners.values().filter(|one| one.phase == Phase::Busy).count();
        let idle = view.runners.values().filter(|one| is_idle(one)).count();
        for (name, help, value) in [
            (
                "expected_runners_count",
                "Runners that the pools are to have ready: `min_idle` and `standby` of all.",
                expected,
            ),
            ("busy_runners_count", "Runners that have a job.", busy),
            ("idle_runners_count", "Runners that wait for a job, or come up well.", idle),
        ] {
            let gauge = self.gauge(name, help, &["flavor"])?;
            gauge.with_label_values(&[self.flavor]).set(number(value));
        }
        Ok(())
    }

    fn pools(&mut self, farm: &FarmView) -> Result<(), Error> {
        let label = ["pool"];
        let max = self.gauge("larm_pool_max", "Runners that a pool may have at once.", &label)?;
        let help = "Runners that a pool is to have registered and waiting.";
        let min_idle = self.gauge("larm_pool_min_idle", help, &label)?;
        let help = "Instances that a pool is to have booted and not registered.";
        let standby = self.gauge("larm_pool_standby", help, &label)?;
        for pool in &farm.settings.pools {
            let wanted = [(&max, pool.max), (&min_idle, pool.min_idle), (&standby, pool.standby)];
            for (gauge, count) in wanted {
                gauge.with_label_values(&[&pool.name]).set(number(count));
            }
        }
        Ok(())
    }

    fn standbys(&mut self, view: &View) -> Result<(), Error> {
        let help = "Instances that are booted and in no pool, by whether they run or are frozen.";
        let gauge = self.gauge("larm_standbys", help, &["tier"])?;
        let free = |one: &&Arc<Record>| {
            one.phase == Phase::Standby && one.is_of_farm() && one.handover == Handover::None
        };
        for (tier, cold) in [("warm", false), ("frozen", true)] {
            let of_tier =
                view.runners.values().filter(|one| free(one) && one.frost.is_cold() == cold);
            gauge.with_label_values(&[tier]).set(number(of_tier.count()));
        }
        Ok(())
    }

    fn jobs(&mut self, farm: &FarmView, now: Timestamp) -> Result<(), Error> {
        let gauge = self.gauge("larm_jobs", "Jobs that have not ended, by state.", &["state"])?;
        let of = |state| farm.jobs.values().filter(move |job| job.state == state);
        for (word, state) in [("queued", JobState::Queued), ("in-progress", JobState::InProgress)] {
            gauge.with_label_values(&[word]).set(number(of(state).count()));
        }
        let oldest = of(JobState::Queued).map(|job| job.queued_at).min();
        let age = oldest.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
        let help = "How long the oldest queued job waits; 0 where none is queued.";
        self.single("larm_oldest_queued_job_seconds", help, age)
    }

    fn github(&mut self, farm: &FarmView, accounts: &Accounts) -> Result<(), Error> {
        let label = ["connection"];
        let help = "Whether the last look at GitHub's queues and runners went well.";
        let up = self.gauge("larm_github_up", help, &label)?;
        let help = "Requests that GitHub still takes in this window.";
        let remaining = self.gauge("github_api_rate_limit_remaining", help, &label)?;
        let help = "Requests that GitHub takes per window.";
        let limit = self.gauge("github_api_rate_limit_limit", help, &label)?;
        for (name, account) in &accounts.0 {
            let well = farm.connections.get(name).is_none_or(is_well);
            up.with_label_values(&[name]).set(number(usize::from(well)));
            let budget = account.connection.budget();
            // Nothing is known before the first answer.
            if budget.limit > 0 {
                remaining.with_label_values(&[name]).set(large(budget.remaining));
                limit.with_label_values(&[name]).set(large(budget.limit));
            }
        }
        Ok(())
    }

    fn state(&mut self, scrape: &Scrape, view: &View, farm: &FarmView) -> Result<(), Error> {
        let up = usize::from(view.lxd_trouble.is_none());
        self.single("larm_lxd_up", "Whether LXD answers.", number(up))?;
        let help = "Versions of the runner application that GitHub gives no jobs any more.";
        self.single("larm_doomed_versions", help, number(farm.doomed.len()))?;
        let help = "The number of the newest entry of the journal.";
        self.single("larm_journal_head", help, large(view.journal_head))?;
        let size = std::fs::metadata(scrape.manager.store_file()).map_or(0, |file| file.len());
        self.single("larm_store_size_bytes", "The size of the state file.", large(size))
    }

    fn process(&mut self, scrape: &Scrape) -> Result<(), Error> {
        let build = self.gauge("larm_build_info", "Which larm this is; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let start = std::time::Duration::try_from(
            scrape.metrics.started_at.duration_since(Timestamp::UNIX_EPOCH),
        );
        let start = start.unwrap_or_default().as_secs_f64();
        let help = "When larm started, in seconds since the epoch.";
        self.single("process_start_time_seconds", help, start)?;
        let seen = Process::look();
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Memory that larm has.", seen.resident_memory),
            ("process_open_fds", "Files and sockets that larm has open.", seen.open_fds),
        ] {
            if let Some(value) = value {
                self.single(name, help, value)?;
            }
        }
        if let Some(seconds) = seen.cpu {
            let help = "Processor time that larm has used.";
            let counter = prometheus::Counter::new("process_cpu_seconds_total", help)?;
            counter.inc_by(seconds);
            self.registry.register(Box::new(counter))?;
        }
        Ok(())
    }
}

/// How long an instance is to be deleted, in seconds: since its runner ended, or its hold did.
fn deletion(record: &Record, now: Timestamp) -> Option<f64> {
    let ending = matches!(record.phase, Phase::Failed | Phase::Deleting);
    if !ending || record.is_held(now) {
        return None;
    }
    let since = record.held_until().map_or(record.since(), |until| until.max(record.since()));
    Some(now.duration_since(since).as_secs_f64().max(0.0))
}

/// As in the event of a reconciliation.
fn is_idle(record: &Record) -> bool {
    (Phase::Creating..=Phase::Listening).contains(&record.phase) && record.health == Health::Healthy
}

fn is_well(connection: &ConnectionView) -> bool {
    connection.poll_trouble.is_none() && connection.list_trouble.is_empty()
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers"
)]
fn large(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::model::{Hold, InstanceName, InstanceType, RunnerId, Spec};

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    fn deleting() -> Record {
        let spec = Spec::new("web", "i", InstanceType::Container);
        let name = InstanceName::new("a".parse().unwrap(), RunnerId::from_bits(7));
        let mut record = Record::planned(name, spec, true, START);
        record.phase = Phase::Deleting;
        record.collected = true;
        record.marks.0.insert(Phase::Deleting, after(10));
        record
    }

    #[test]
    fn a_deletion_is_as_old_as_nothing_keeps_it() {
        let mut record = deleting();
        assert_eq!(deletion(&record, after(70)), Some(60.0));
        record.hold = Some(Hold::Until(after(100)));
        assert_eq!(deletion(&record, after(70)), None);
        assert_eq!(deletion(&record, after(105)), Some(5.0));
        record.phase = Phase::Busy;
        assert_eq!(deletion(&record, after(105)), None);
    }
}
