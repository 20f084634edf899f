//! What entries count for, seen in the text that Prometheus reads.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::metrics::text;
use crate::model::{InstanceName, MetricEvent, NamePrefix, RunnerId, Spec};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn spec() -> Spec {
    Spec::new("web", "i", crate::model::InstanceType::Container)
}

fn name() -> InstanceName {
    InstanceName::new("small".parse::<NamePrefix>().unwrap(), RunnerId::from_bits(7))
}

/// A view with a runner that came into the phases at these seconds.
fn view(marks: &[(Phase, i64)]) -> View {
    let mut record = Record::planned(name(), spec(), true, START);
    for (phase, second) in marks {
        record.marks.0.insert(*phase, START + SignedDuration::from_secs(*second));
        record.phase = *phase;
    }
    let runners = [(record.id().clone(), std::sync::Arc::new(record))].into();
    View { runners, journal_head: 1, lxd_trouble: None }
}

fn entry(second: i64, what: JournalKind) -> JournalEntry {
    let at = START + SignedDuration::from_secs(second);
    JournalEntry { seq: 1, at, runner: Some(name()), what }
}

fn phase(from: Phase, phase: Phase, reason: Option<&str>) -> JournalKind {
    JournalKind::Phase {
        phase,
        from: Some(from),
        reason: reason.map(str::to_owned),
        guest_at: None,
    }
}

fn metric(what: MetricFact) -> JournalKind {
    JournalKind::Metric { metric: MetricEvent { timestamp: 1.0, what } }
}

fn stop(status: PostJobStatus, code: i64, job_duration: f64) -> MetricFact {
    MetricFact::RunnerStop {
        flavor: "small".to_owned(),
        workflow: "w".to_owned(),
        repo: "acme/web".to_owned(),
        github_event: "push".to_owned(),
        status,
        status_info: Some(StatusInfo { code }),
        job_duration,
        job_conclusion: Some("success".to_owned()),
    }
}

/// All lines after these entries.
fn count(entries: &[JournalEntry], view: &View) -> Vec<String> {
    let metrics = Metrics::new("small").unwrap();
    metrics.begin_pools(["web"]);
    for entry in entries {
        metrics.count(entry, view);
    }
    let text = text::write(&[], &metrics.instruments.registry.gather()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn expect(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|one| one == line), "no {line} in {lines:#?}");
    }
}

#[test]
fn a_change_of_phase_gives_how_long_the_one_before_was() {
    let view = view(&[(Phase::Busy, 10), (Phase::Finished, 40), (Phase::Deleting, 42)]);
    let entries = [
        entry(40, phase(Phase::Busy, Phase::Finished, None)),
        entry(42, phase(Phase::Finished, Phase::Deleting, None)),
        entry(45, phase(Phase::Deleting, Phase::Gone, None)),
    ];
    expect(
        &count(&entries, &view),
        &[
            r#"larm_stage_duration_seconds_sum{pool="web",stage="busy"} 30"#,
            r#"larm_stage_duration_seconds_count{pool="web",stage="busy"} 1"#,
            r#"extract_metrics_duration_seconds_sum{flavor="small",pool="web"} 2"#,
            r#"delete_vm_duration_seconds_sum{flavor="small",pool="web"} 3"#,
            r#"deleted_vms_total{flavor="small"} 1"#,
            "timed_out_runners_total 0",
        ],
    );
}

/// An instance that was held for a day made deletions look slow.
#[test]
fn the_deletion_of_one_that_was_held_is_not_timed() {
    let mut view = view(&[(Phase::Deleting, 42)]);
    for record in view.runners.values_mut() {
        let mut held = Record::clone(record);
        held.hold = Some(crate::model::Hold::Until(START + SignedDuration::from_secs(80_000)));
        *record = std::sync::Arc::new(held);
    }
    let lines = count(&[entry(90_000, phase(Phase::Deleting, Phase::Gone, None))], &view);
    expect(&lines, &[r#"deleted_vms_total{flavor="small"} 1"#]);
    let timed = ["delete_vm_duration_seconds", "larm_stage_duration_seconds"];
    assert!(
        !lines.iter().any(|line| timed.iter().any(|name| line.starts_with(name))),
        "{lines:#?}"
    );
}

#[test]
fn what_alerts_look_at_is_there_before_it_happens() {
    let lines = count(&[], &View::default());
    expect(
        &lines,
        &[
            r#"job_status_count{status="normal"} 0"#,
            r#"job_status_count{status="repo-policy-check-failure"} 0"#,
            r#"larm_failures_total{pool="web",stage="booting"} 0"#,
            r#"larm_lxd_errors_total{kind="pool-full",what="create-instance"} 0"#,
            r#"larm_lxd_errors_total{kind="no-kvm",what="start-instance"} 0"#,
            r#"larm_webhooks_total{outcome="unsigned"} 0"#,
        ],
    );
}

#[test]
fn a_runner_that_does_not_come_up_in_time_is_told_from_one_that_breaks() {
    let view = view(&[(Phase::Booting, 1), (Phase::Failed, 301)]);
    let late = phase(Phase::Booting, Phase::Failed, Some("its guest was not ready in time"));
    let broken = phase(Phase::Booting, Phase::Failed, Some("the instance is gone"));
    expect(
        &count(&[entry(301, late), entry(301, broken)], &view),
        &["timed_out_runners_total 1", r#"larm_failures_total{pool="web",stage="booting"} 2"#],
    );
}

#[test]
fn metric_events_give_the_names_that_dashboards_know() {
    let start = |queue_duration| MetricFact::RunnerStart {
        flavor: "small".to_owned(),
        workflow: "w".to_owned(),
        repo: "acme/web".to_owned(),
        github_event: "push".to_owned(),
        idle: 7.0,
        queue_duration,
    };
    let installed = MetricFact::RunnerInstalled { flavor: "small".to_owned(), duration: 99.5 };
    let sweep = MetricFact::Reconciliation {
        flavor: "small".to_owned(),
        crashed_runners: 2,
        idle_runners: 1,
        active_runners: 1,
        expected_runners: None,
        duration: 0.5,
    };
    let facts = [
        installed,
        start(Some(3.0)),
        start(None),
        stop(PostJobStatus::Normal, 0, 60.0),
        stop(PostJobStatus::RepoPolicyCheckFailure, 403, 1.0),
        stop(PostJobStatus::RepoPolicyCheckFailure, 500, 1.0),
        sweep,
    ];
    let entries = facts.map(|fact| entry(1, metric(fact)));
    expect(
        &count(&entries, &view(&[])),
        &[
            r#"runner_spawn_duration_seconds_sum{flavor="small",pool="web"} 99.5"#,
            r#"runner_idle_duration_seconds_sum{flavor="small",pool="web"} 14"#,
            r#"runner_queue_duration_seconds_sum{flavor="small",pool="web"} 3"#,
            r#"runner_queue_duration_seconds_count{flavor="small",pool="web"} 1"#,
            r#"job_duration_seconds_sum{flavor="small",pool="web"} 62"#,
            r#"reconcile_duration_seconds_sum{flavor="small"} 0.5"#,
            r#"larm_crashed_runners_total{flavor="small"} 2"#,
            r#"job_repository_count{repository="acme/web"} 2"#,
            "# TYPE job_repository_count untyped",
            r#"job_event_count{event="push"} 2"#,
            r#"job_conclusion_count{conclusion="success"} 3"#,
            r#"job_status_count{status="normal"} 1"#,
            r#"job_status_count{status="repo-policy-check-failure"} 2"#,
            r#"larm_policy_failures_total{class="4xx"} 1"#,
            r#"larm_policy_failures_total{class="5xx"} 1"#,
        ],
    );
}

#[test]
fn times_that_cannot_be_are_not_counted() {
    let all = [-1.0, f64::NAN, f64::INFINITY, 1e300];
    let entries = all.map(|one| entry(1, metric(stop(PostJobStatus::Normal, 0, one))));
    let lines = count(&entries, &view(&[]));
    expect(&lines, &[r#"job_status_count{status="normal"} 4"#]);
    assert!(!lines.iter().any(|line| line.starts_with("job_duration_seconds")), "{lines:#?}");
}

#[test]
fn what_is_at_github_only_and_in_lxd_only_have_names() {
    let mismatch = |mismatch| JournalKind::Mismatch { mismatch, text: String::new() };
    let entries = MISMATCHES.map(|one| entry(1, mismatch(one)));
    let lines = count(&entries, &View::default());
    expect(&lines, &["dangling_runners_total 1", "missing_runners_total 1"]);
    let each = lines.iter().filter(|line| line.starts_with("larm_mismatches_total{"));
    assert_eq!(each.filter(|line| line.ends_with(" 1")).count(), MISMATCHES.len());
}
