//! Jobs of several repositories and an organisation: each runs once, where it belongs, and in the
//! end nothing is left anywhere.

use std::collections::BTreeSet;
use std::time::Duration;

use larm::model::{JournalEntry, JournalKind, MetricEvent, MetricFact, Phase, PostJobStatus};
use larm::smoke::bridge_address;
use larm::smoke::standin::{Faults, LimitSpan, SecondaryLimit, WebhookFaults};
use rustix::process::Signal;

use crate::ground::Ground;
use crate::host;
use crate::larm::Larm;
use crate::metric_events;
use crate::own_lxd::OwnLxd;
use crate::promtool;

/// Three places, six runners at most.
const POOLS: &str = "
[[pool]]
name = 'web'
github = 'acme/web'
labels = ['small']
max = 2
idle_timeout = '1s'
[[pool]]
name = 'api'
github = 'acme/api'
labels = ['small', 'large']
max = 2
idle_timeout = '1s'
[[pool]]
name = 'umbrella'
github = 'umbrella'
group = 'fast'
labels = ['medium']
max = 2
idle_timeout = '1s'
";

/// A job: its repository, the labels it asks for, and the pool that is to serve it.
const KINDS: [(&str, &[&str], &str); 5] = [
    ("acme/web", &["self-hosted", "Small"], "web"),
    ("acme/api", &["small"], "api"),
    ("acme/api", &["LARGE", "linux"], "api"),
    ("umbrella/one", &["medium"], "umbrella"),
    ("umbrella/two", &["self-hosted", "x64", "medium"], "umbrella"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_jobs_run_once_each_where_they_belong() {
    let Some(ground) = Ground::open_alone().await else { return };
    ground.configure("2s", POOLS);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    queue_thirty(&ground);
    ground.all_finished().await;
    expect_well(&ground, &larm).await;
    let told = expect_events(&ground, &larm).await;
    for (kind, count) in [("runner_installed", 30), ("runner_start", 30), ("runner_stop", 30)] {
        assert_eq!(told.iter().filter(|one| metric_events::kind(one) == kind).count(), count);
    }
    for event in &told {
        match &event.what {
            MetricFact::RunnerStart { queue_duration, .. } => {
                assert!(queue_duration.is_some(), "{event:?}");
            }
            MetricFact::RunnerStop { job_conclusion, status, .. } => {
                assert_eq!(job_conclusion.as_deref(), Some("success"), "{event:?}");
                assert_eq!(*status, PostJobStatus::Normal, "{event:?}");
            }
            MetricFact::RunnerInstalled { .. } | MetricFact::Reconciliation { .. } => {}
        }
    }
    expect_counted(&ground, &larm).await;
    larm.stop();
}

/// Webhooks are lost, doubled, late and forged, GitHub fails, limits and lags, larm is killed, and
/// LXD too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_jobs_run_once_each_in_a_storm() {
    let Some(lxd) = OwnLxd::start().await else { return };
    let address = bridge_address(&lxd.client, &[host::profile()]).await.unwrap();
    let ground = Ground::on(lxd.client.clone(), address).await;
    ground.configure("2s", POOLS);
    ground.add_hook();
    ground.github.set_faults(Faults {
        seed: 7,
        errors: 100,
        list_lag: Duration::from_secs(5),
        webhooks: WebhookFaults {
            lost: 100,
            lost_silently: 100,
            duplicated: 200,
            late: 200,
            late_by: Duration::from_secs(2),
            forged: 50,
        },
        ..Faults::default()
    });
    let larm = Larm::start(&ground).await;
    queue_thirty(&ground);
    ends(&ground, 6).await;
    ground.github.order_secondary_limit(SecondaryLimit {
        status: 429,
        retry_after: Some(Duration::from_secs(2)),
        span: LimitSpan::For(Duration::from_secs(2)),
    });
    ends(&ground, 12).await;
    larm.kill();
    let larm = Larm::start(&ground).await;
    ends(&ground, 18).await;
    lxd.restart(Signal::KILL, || {}).await;
    ground.all_finished().await;
    expect_well(&ground, &larm).await;
    let told = expect_events(&ground, &larm).await;
    assert_eq!(told.iter().filter(|one| metric_events::kind(one) == "runner_start").count(), 30);
    larm.stop();
}

/// No webhook reaches this host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_nobody_reaches_finds_jobs_by_itself() {
    let Some(ground) = Ground::open().await else { return };
    ground.configure("1s", POOLS);
    let larm = Larm::start(&ground).await;
    let job = ground.queue("umbrella/two", &["medium"], Duration::from_secs(1));
    let hosted = ground.queue("umbrella/two", &["ubuntu-latest"], Duration::from_secs(1));
    ground.until("the job has ended", async || ended(&ground, job)).await;
    ground.nothing_is_left().await;
    let why = larm.why(&job.to_string()).await;
    assert!(why.contains("found by a look at GitHub's queue"), "{why}");
    assert!(why.contains("completed"), "{why}");
    let known = larm.jobs().await.jobs;
    assert!(
        known.iter().all(|one| one.job.id != hosted),
        "GitHub's own runners' jobs are not ours"
    );
    larm.stop();
}

fn queue_thirty(ground: &Ground) {
    for (n, (repository, labels, _)) in (0..30).zip(KINDS.iter().cycle()) {
        ground.queue(repository, labels, Duration::from_secs(1 + n % 5));
    }
}

async fn expect_well(ground: &Ground, larm: &Larm) {
    ground.nothing_is_left().await;
    ground.expect_jobs_ran_once();
    let runners = larm.runners().await;
    for (job, name) in ground.runners_of_jobs() {
        let runner = runners.iter().find(|one| one.name.to_string() == name).unwrap();
        let (_, _, expected) = KINDS.iter().cycle().nth(usize::try_from(job - 1).unwrap()).unwrap();
        let pool = runner.binding.as_ref().map(|binding| binding.pool.as_str());
        assert_eq!(pool, Some(*expected), "job {job} ran on {name}");
    }
    // GitHub's last word on a job may come by the next poll.
    ground
        .until("every job is known to have ended", async || {
            larm.jobs().await.jobs.iter().all(|one| one.job.conclusion.is_some())
        })
        .await;
    assert_eq!(larm.newest_job().await, ground.github.jobs().last().map(|job| job.id));
    let pools = larm.pools().await;
    assert!(pools.pools.iter().all(|pool| pool.queued == 0 && pool.busy.is_empty()), "{pools:#?}");
}

/// Monitoring was told of each thing once, in the journal and in the file.
async fn expect_events(ground: &Ground, larm: &Larm) -> Vec<MetricEvent> {
    ground
        .until("all is told", async || {
            larm.runners().await.iter().all(|one| one.phase == Phase::Gone)
                && !has_untold(&larm.journal().await)
        })
        .await;
    let journal = larm.journal().await;
    metric_events::file_has(&ground.path("state"), async || larm.journal().await).await;
    let mut once = BTreeSet::new();
    for entry in &journal {
        for event in metric_events::of_journal(std::slice::from_ref(entry)) {
            let kind = metric_events::kind(&event);
            assert!(metric_events::is_plausible(&event), "{event:?}");
            assert!(
                entry.runner.is_none() || once.insert((entry.runner.clone(), kind)),
                "{event:?}"
            );
        }
    }
    metric_events::of_journal(&journal)
}

/// Whether a job's end is known and monitoring was not told of it.
fn has_untold(journal: &[JournalEntry]) -> bool {
    let ended = journal.iter().filter(|entry| match &entry.what {
        JournalKind::Metrics { metrics } => metrics.pre_job.is_some() && metrics.post_job.is_some(),
        JournalKind::Phase { .. }
        | JournalKind::Metric { .. }
        | JournalKind::Mismatch { .. }
        | JournalKind::Note { .. } => false,
    });
    let told = metric_events::of_journal(journal);
    ended.count() != told.iter().filter(|one| metric_events::kind(one) == "runner_stop").count()
}

/// Thirty jobs are thirty in all that is counted.
async fn expect_counted(ground: &Ground, larm: &Larm) {
    let is = |name: &str, count: f64| (larm.metric(name) - count).abs() < 0.5;
    // The end of a job is told a moment later where GitHub's word on it is waited for.
    ground.until("thirty jobs are counted", async || is("job_duration_seconds_count", 30.0)).await;
    for name in [
        "job_status_count",
        "job_event_count",
        "job_repository_count",
        "runner_idle_duration_seconds_count",
    ] {
        assert!(is(name, 30.0), "{name} is {}", larm.metric(name));
    }
    // GitHub's word on a job is not waited for for long.
    for name in ["runner_queue_duration_seconds_count", "job_conclusion_count"] {
        assert!((1.0..=30.0).contains(&larm.metric(name)), "{name} is {}", larm.metric(name));
    }
    let longer = larm.metric("job_duration_seconds_sum");
    assert!(longer > 30.0 && larm.metric("runner_idle_duration_seconds_sum") >= 0.0, "{longer}");
    for name in ["deleted_vms_total", "larm_lxd_operation_duration_seconds_count"] {
        assert!(larm.metric(name) >= 30.0, "{name} is {}", larm.metric(name));
    }
    for name in ["larm_webhooks_total", "github_client_calls_total", "github_api_rate_limit_limit"]
    {
        assert!(larm.metric(name) >= 1.0, "{name} is 0");
    }
    for name in ["larm_jobs", "busy_runners_count", "larm_crashed_runners_total"] {
        assert!(is(name, 0.0), "{name} is {}", larm.metric(name));
    }
    let text = String::from_utf8(larm.run(&["metrics"]).stdout).unwrap();
    promtool::clean(&["check", "metrics"], &text);
}

/// Waits until so many jobs have ended.
async fn ends(ground: &Ground, count: usize) {
    let what = format!("{count} jobs have ended");
    ground
        .until(&what, async || {
            ground.github.jobs().iter().filter(|job| job.state.is_final()).count() >= count
        })
        .await;
}

fn ended(ground: &Ground, id: u64) -> bool {
    ground.github.jobs().iter().any(|job| job.id == id && job.state.is_final())
}
