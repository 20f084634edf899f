//! What monitoring is told of all runners together, each time that all was compared with all.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::record::seconds;
use super::{Health, MetricEvent, MetricFact, NamePrefix, Phase, Pool, Record, RunnerId};

/// The event of a comparison that began at `begun` and has ended `now`; the one before ended at
/// `last`.
pub fn reconciliation(
    records: &BTreeMap<RunnerId, Arc<Record>>,
    pools: &[Arc<Pool>],
    prefix: &NamePrefix,
    last: Timestamp,
    begun: Timestamp,
    now: Timestamp,
) -> MetricEvent {
    let count = |is: &dyn Fn(&Record) -> bool| {
        u64::try_from(records.values().filter(|record| is(record)).count()).unwrap_or(u64::MAX)
    };
    let expected: usize = pools.iter().map(|pool| pool.min_idle + pool.standby).sum();
    let what = MetricFact::Reconciliation {
        flavor: prefix.to_string(),
        crashed_runners: count(&|record| has_crashed_since(record, last)),
        idle_runners: count(&is_idle),
        active_runners: count(&|record| record.phase == Phase::Busy),
        expected_runners: u64::try_from(expected).ok().filter(|expected| *expected > 0),
        duration: (seconds(now) - seconds(begun)).max(0.0),
    };
    MetricEvent { timestamp: seconds(now), what }
}

/// Whether it has a job's beginning and no end, and was given up after `last` though nobody wanted
/// it to end.
fn has_crashed_since(record: &Record, last: Timestamp) -> bool {
    let ended = record.marks.0.get(&Phase::Deleting).is_some_and(|at| *at > last);
    let wanted = record.ended.is_some();
    ended && !wanted && record.metrics.pre_job.is_some() && record.metrics.post_job.is_none()
}

/// Whether it waits for a job, or comes up well.
fn is_idle(record: &Record) -> bool {
    (Phase::Creating..=Phase::Listening).contains(&record.phase) && record.health == Health::Healthy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InstanceType, PreJobMetrics, Spec};

    fn record(id: u8, phase: Phase, at: i64) -> Record {
        let spec = Spec::new("small", "debian", InstanceType::Container);
        let name = format!("larm-0123456789{id:02x}").parse().unwrap();
        let mut record = Record::planned(name, spec, false, Timestamp::UNIX_EPOCH);
        record.phase = phase;
        record.marks.0.insert(phase, Timestamp::from_second(at).unwrap());
        record
    }

    #[test]
    fn runners_are_counted_by_what_they_do() {
        let job = PreJobMetrics {
            timestamp: 1.0,
            workflow: "ci".to_owned(),
            workflow_run_id: "7".to_owned(),
            repository: "acme/web".to_owned(),
            event: "push".to_owned(),
        };
        let mut lost = record(4, Phase::Deleting, 50);
        lost.metrics.pre_job = Some(job.clone());
        let mut lost_before = record(5, Phase::Deleting, 10);
        lost_before.metrics.pre_job = Some(job);
        let all = [
            record(1, Phase::Planned, 0),
            record(2, Phase::Listening, 0),
            record(3, Phase::Busy, 0),
            lost,
            lost_before,
        ];
        let all = all.into_iter().map(|one| (one.id().clone(), Arc::new(one))).collect();
        let at = |second| Timestamp::from_second(second).unwrap();
        let prefix = "larm".parse().unwrap();
        let event = reconciliation(&all, &[], &prefix, at(20), at(60), at(61));
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"timestamp":61.0,"event":"reconciliation","flavor":"larm","crashed_runners":1,"idle_runners":1,"active_runners":1,"duration":1.0}"#
        );
    }
}
