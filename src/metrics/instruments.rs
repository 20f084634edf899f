//! All that is counted when it happens: names, labels, buckets. docs/metrics.md lists them.

use prometheus::core::Collector;
use prometheus::{
    Error, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use super::capped::Capped;
use super::text::Known;
use crate::model::Phase;

/// Failures of LXD that do not end by themselves; alerts look at them.
const FATAL: [&str; 5] =
    ["pool-full", "image-missing", "permission-denied", "not-initialised", "no-kvm"];

/// For what LXD answers, in seconds.
const REQUESTS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// For parts of a runner's life, in seconds.
const STAGES: [f64; 15] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0];

/// All that is counted when it happens.
#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) registry: Registry,
    pub(super) known: Vec<Known>,
    pub(super) spawn: HistogramVec,
    pub(super) idle: HistogramVec,
    pub(super) queue: HistogramVec,
    pub(super) extract: HistogramVec,
    pub(super) job: HistogramVec,
    pub(super) reconcile: HistogramVec,
    pub(super) delete_runner: HistogramVec,
    pub(super) delete_vm: HistogramVec,
    pub(super) stage: HistogramVec,
    pub(super) github: HistogramVec,
    pub(super) github_calls: IntCounterVec,
    pub(super) github_errors: IntCounterVec,
    pub(super) lxd: HistogramVec,
    pub(super) lxd_operations: HistogramVec,
    pub(super) lxd_errors: IntCounterVec,
    pub(super) lxd_connects: IntCounter,
    pub(super) deleted_runners: IntCounterVec,
    pub(super) deleted_vms: IntCounterVec,
    pub(super) dangling: IntCounter,
    pub(super) missing: IntCounter,
    pub(super) timed_out: IntCounter,
    pub(super) flushed_idle: IntCounter,
    pub(super) flushed_busy: IntCounter,
    pub(super) failures: IntCounterVec,
    pub(super) crashed: IntCounterVec,
    pub(super) mismatches: IntCounterVec,
    pub(super) policy_failures: IntCounterVec,
    pub(super) webhooks: IntCounterVec,
    pub(super) image_built: GaugeVec,
    pub(super) image_ends: GaugeVec,
    pub(super) by_repository: Tally,
    pub(super) by_event: Tally,
    pub(super) by_conclusion: Tally,
    pub(super) by_status: Tally,
    pub(super) pools: Capped,
}

/// A count that has been exposed as a gauge for so long that dashboards want it to be one.
#[derive(Debug)]
pub(super) struct Tally {
    counts: GaugeVec,
    values: Capped,
}

impl Tally {
    /// None of this value yet.
    fn begin(&self, value: &str) {
        self.counts.with_label_values(&[self.values.value(value)]);
    }

    /// One more of this value.
    pub(super) fn add(&self, value: &str) {
        self.counts.with_label_values(&[self.values.value(value)]).inc();
    }
}

impl Instruments {
    #[expect(clippy::too_many_lines, reason = "a list, which reads best in one piece")]
    pub(super) fn new(flavor: &str) -> Result<Self, Error> {
        let mut make = Maker::default();
        let runner = ["flavor", "pool"];
        let instruments = Self {
            spawn: make.stages(
                "runner_spawn_duration_seconds",
                "From the beginning of a runner's creation until its guest was ready.",
                &runner,
            )?,
            idle: make.stages(
                "runner_idle_duration_seconds",
                "How long a runner was ready before it began its job.",
                &runner,
            )?,
            queue: make.stages(
                "runner_queue_duration_seconds",
                "How long a job waited at GitHub before a runner began it.",
                &runner,
            )?,
            extract: make.stages(
                "extract_metrics_duration_seconds",
                "How long it took to collect what an ended runner left.",
                &runner,
            )?,
            job: make.stages("job_duration_seconds", "How long a job took.", &runner)?,
            reconcile: make.stages(
                "reconcile_duration_seconds",
                "How long a sweep took, which compares everything with everything.",
                &["flavor"],
            )?,
            delete_runner: make.stages(
                "delete_runner_duration_seconds",
                "How long it took to remove a runner at GitHub.",
                &["flavor"],
            )?,
            delete_vm: make.stages(
                "delete_vm_duration_seconds",
                "How long it took to delete a runner's instance.",
                &runner,
            )?,
            stage: make.stages(
                "larm_stage_duration_seconds",
                "How long a runner was in a phase that it has left.",
                &["stage", "pool"],
            )?,
            github: make.requests(
                "github_client_duration_seconds",
                "How long GitHub took for a request.",
                &["method"],
            )?,
            github_calls: make.counter(
                "github_client_calls_total",
                "Requests sent to GitHub.",
                &["method"],
            )?,
            github_errors: make.counter(
                "github_client_errors_total",
                "Requests to GitHub that failed, or were not sent because GitHub would refuse them.",
                &["method", "error_type"],
            )?,
            lxd: make.requests(
                "larm_lxd_request_duration_seconds",
                "How long LXD took to answer a request.",
                &["what"],
            )?,
            lxd_operations: make.stages(
                "larm_lxd_operation_duration_seconds",
                "How long LXD took for what it does in the background.",
                &["what"],
            )?,
            lxd_errors: make.counter(
                "larm_lxd_errors_total",
                "Requests to LXD and operations of LXD that failed.",
                &["what", "kind"],
            )?,
            lxd_connects: make.single(
                "larm_lxd_event_stream_connects_total",
                "How often LXD's event stream was connected, the first time included.",
            )?,
            deleted_runners: make.counter(
                "deleted_runners_total",
                "Runners that larm has removed at GitHub.",
                &["flavor"],
            )?,
            deleted_vms: make.counter(
                "deleted_vms_total",
                "Instances of runners that were deleted and seen to be gone.",
                &["flavor"],
            )?,
            dangling: make.single(
                "dangling_runners_total",
                "Runners that GitHub knew and that had no instance.",
            )?,
            missing: make.single(
                "missing_runners_total",
                "Runners that had an instance and that GitHub did not know.",
            )?,
            timed_out: make.single(
                "timed_out_runners_total",
                "Runners that did not come up in time.",
            )?,
            flushed_idle: make.single(
                "flush_online_idle_runner_requests_total",
                "Idle runners that were there when a flush was asked for.",
            )?,
            flushed_busy: make.single(
                "flush_busy_runner_requests_total",
                "Busy runners that were there when a flush of busy ones was asked for.",
            )?,
            failures: make.counter(
                "larm_failures_total",
                "Runners that failed, by the phase in which they did.",
                &["stage", "pool"],
            )?,
            crashed: make.counter(
                "larm_crashed_runners_total",
                "Runners that ended without a word, their job unfinished.",
                &["flavor"],
            )?,
            mismatches: make.counter(
                "larm_mismatches_total",
                "Differences between what LXD, GitHub and a guest say of a runner.",
                &["mismatch"],
            )?,
            policy_failures: make.counter(
                "larm_policy_failures_total",
                "Jobs that did not pass the policy check, by the class of its HTTP status.",
                &["class"],
            )?,
            image_built: make.gauge(
                "larm_image_built_timestamp_seconds",
                "When a golden image was built.",
                &["image"],
            )?,
            image_ends: make.gauge(
                "larm_image_runner_end_timestamp_seconds",
                "When GitHub gives the runner application in a golden image no more jobs.",
                &["image"],
            )?,
            webhooks: make.counter(
                "larm_webhooks_total",
                "Webhooks that came in, by what became of them.",
                &["outcome"],
            )?,
            by_repository: make.tally(
                "job_repository_count",
                "Jobs that were begun, by repository.",
                "repository",
            )?,
            by_event: make.tally(
                "job_event_count",
                "Jobs that were begun, by what triggered them.",
                "event",
            )?,
            by_conclusion: make.tally(
                "job_conclusion_count",
                "Jobs that have ended, by GitHub's word for how.",
                "conclusion",
            )?,
            by_status: make.tally(
                "job_status_count",
                "Jobs that have ended, by how their runner's process did.",
                "status",
            )?,
            pools: Capped::default(),
            registry: make.registry,
            known: make.known,
        };
        instruments.begin_at_zero(flavor);
        Ok(instruments)
    }

    /// What is not there cannot be seen to rise: labels whose values are known begin at zero.
    fn begin_at_zero(&self, flavor: &str) {
        for counter in [&self.deleted_runners, &self.deleted_vms, &self.crashed] {
            counter.with_label_values(&[flavor]);
        }
        for mismatch in super::journal::MISMATCHES {
            self.mismatches.with_label_values(&[mismatch.as_str()]);
        }
        for class in ["4xx", "5xx", "other"] {
            self.policy_failures.with_label_values(&[class]);
        }
        for status in super::journal::STATUSES {
            self.by_status.begin(super::journal::status_word(status));
        }
        for what in ["create-instance", "start-instance"] {
            for kind in FATAL {
                self.lxd_errors.with_label_values(&[what, kind]);
            }
        }
        self.webhooks.with_label_values(&["unsigned"]);
    }

    /// As [`Self::begin_at_zero`], for these pools.
    pub(super) fn begin_pools<'a>(&self, pools: impl IntoIterator<Item = &'a str>) {
        for pool in pools {
            let pool = self.pools.value(pool);
            for stage in Phase::ALL.iter().filter(|stage| **stage < Phase::Failed) {
                self.failures.with_label_values(&[stage.as_str(), pool]);
            }
        }
    }
}

/// Makes instruments and registers them.
#[derive(Default)]
struct Maker {
    registry: Registry,
    known: Vec<Known>,
}

impl Maker {
    fn stages(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, Error> {
        self.histogram(name, help, labels, &STAGES)
    }

    fn requests(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, Error> {
        self.histogram(name, help, labels, &REQUESTS)
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register("histogram", HistogramVec::new(options, labels)?)
    }

    fn counter(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.register("counter", IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn single(&mut self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.register("counter", IntCounter::new(name, help)?)
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.register("gauge", GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn tally(&mut self, name: &str, help: &str, label: &str) -> Result<Tally, Error> {
        let counts = GaugeVec::new(Opts::new(name, help), &[label])?;
        Ok(Tally { counts: self.register("gauge", counts)?, values: Capped::default() })
    }

    fn register<T>(&mut self, kind: &'static str, instrument: T) -> Result<T, Error>
    where
        T: Collector + Clone + 'static,
    {
        let known = instrument.desc().into_iter().map(|one| Known {
            name: one.fq_name.clone(),
            help: one.help.clone(),
            kind,
        });
        self.known.extend(known);
        self.registry.register(Box::new(instrument.clone()))?;
        Ok(instrument)
    }
}
