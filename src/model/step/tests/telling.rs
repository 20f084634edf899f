//! What monitoring is told, whatever comes in whatever order.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{report, spec};
use crate::model::{
    Binding, Deadlines, Event, Found, GitHubPath, GuestPhase, JobFacts, JournalKind, MetricEvent,
    MetricFact, PostJobMetrics, PostJobStatus, PreJobMetrics, Record, Target, next_due, step,
};

#[derive(Debug, Clone)]
enum News {
    Ready,
    Busy,
    Ended,
    Queue,
    Conclusion,
    Time(i64),
    Collected,
    Gone,
}

fn news() -> impl Strategy<Value = Vec<News>> {
    let one = prop_oneof![
        2 => Just(News::Ready),
        3 => Just(News::Busy),
        3 => Just(News::Ended),
        2 => Just(News::Queue),
        2 => Just(News::Conclusion),
        2 => (0i64..20).prop_map(News::Time),
        1 => Just(News::Collected),
        1 => Just(News::Gone),
    ];
    prop::collection::vec(one, 0..25)
}

struct Life {
    record: Record,
    now: Timestamp,
    told: Vec<MetricEvent>,
}

impl Life {
    fn new(of_farm: bool) -> Self {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut record = Record::planned("larm-0123456789ab".parse().unwrap(), spec(), true, now);
        record.binding = of_farm.then(|| Binding {
            pool: "small".to_owned(),
            target: Target {
                connection: "github".to_owned(),
                path: "acme/web".parse::<GitHubPath>().unwrap(),
            },
            labels: Vec::new(),
            job: None,
            since: now,
        });
        let mut life = Self { record, now, told: Vec::new() };
        for event in [Event::Admitted, Event::Created(SignedDuration::ZERO)] {
            life.meet(&event);
        }
        life
    }

    fn meet(&mut self, event: &Event) {
        let done = step(&self.record, event, &Deadlines::default(), self.now).unwrap();
        let told = done.journal.into_iter().filter_map(|kind| match kind {
            JournalKind::Metric { metric } => Some(metric),
            JournalKind::Phase { .. }
            | JournalKind::Metrics { .. }
            | JournalKind::Mismatch { .. }
            | JournalKind::Note { .. } => None,
        });
        self.told.extend(told);
        self.record = done.record;
    }

    fn reported(&mut self, phase: GuestPhase) {
        let at = self.now.as_duration().as_secs_f64();
        let mut news = report(phase, 1 + u64::from(phase > GuestPhase::Ready));
        news.reached = [(GuestPhase::Ready, self.now)].into();
        (news.pre_job, news.post_job) = (Found::Absent, Found::Absent);
        if phase >= GuestPhase::Busy {
            news.pre_job = Found::Present(PreJobMetrics {
                timestamp: at,
                workflow: "ci".to_owned(),
                workflow_run_id: "7".to_owned(),
                repository: "acme/web".to_owned(),
                event: "push".to_owned(),
            });
        }
        if phase == GuestPhase::Finished {
            news.post_job = Found::Present(PostJobMetrics {
                timestamp: at,
                status: PostJobStatus::Normal,
                status_info: None,
            });
        }
        self.meet(&Event::Reported(Box::new(news)));
    }

    fn take(&mut self, news: &News) {
        match news {
            News::Ready => self.reported(GuestPhase::Ready),
            News::Busy => self.reported(GuestPhase::Busy),
            News::Ended => self.reported(GuestPhase::Finished),
            News::Queue => {
                let facts = JobFacts {
                    queued_for: Some(SignedDuration::from_millis(3500)),
                    conclusion: None,
                };
                self.meet(&Event::JobKnown(facts));
            }
            News::Conclusion => {
                let conclusion = Some("success".to_owned());
                self.meet(&Event::JobKnown(JobFacts { queued_for: None, conclusion }));
            }
            News::Time(seconds) => self.wait(*seconds),
            News::Collected => self.meet(&Event::Collected(None)),
            News::Gone => self.meet(&Event::Removed),
        }
    }

    /// Time passes, and what is due is met, as the dispatcher does.
    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        if next_due(&self.record, &Deadlines::default()).is_some_and(|due| due <= self.now) {
            self.meet(&Event::Due);
        }
    }

    fn kinds(&self) -> Vec<&'static str> {
        let kind = |event: &MetricEvent| match event.what {
            MetricFact::RunnerInstalled { .. } => "installed",
            MetricFact::RunnerStart { .. } => "start",
            MetricFact::RunnerStop { .. } => "stop",
            MetricFact::Reconciliation { .. } => "reconciliation",
        };
        self.told.iter().map(kind).collect()
    }

    fn expected(&self) -> Vec<&'static str> {
        let metrics = &self.record.metrics;
        let job = metrics.pre_job.is_some();
        let all = [
            (metrics.installed_timestamp.is_some(), "installed"),
            (job, "start"),
            (job && metrics.post_job.is_some(), "stop"),
        ];
        all.into_iter().filter_map(|(there, kind)| there.then_some(kind)).collect()
    }
}

proptest! {
    #[test]
    fn each_event_is_told_once_and_in_order(of_farm in any::<bool>(), moves in news()) {
        let mut life = Life::new(of_farm);
        for news in &moves {
            life.take(news);
            if !of_farm {
                prop_assert_eq!(life.kinds(), life.expected(), "nothing is waited for");
            }
        }
        // Both may have to wait, one after the other.
        life.wait(16);
        life.wait(16);
        prop_assert_eq!(life.kinds(), life.expected());
        prop_assert_eq!(life.record.facts_due, None);
        life.wait(100);
        life.take(&News::Queue);
        life.take(&News::Conclusion);
        prop_assert_eq!(life.kinds(), life.expected(), "nothing is told twice");
    }
}

#[test]
fn what_is_known_is_told_at_once_and_what_is_not_a_moment_later() {
    let mut life = Life::new(true);
    life.reported(GuestPhase::Ready);
    life.take(&News::Queue);
    life.now += SignedDuration::from_secs(2);
    life.reported(GuestPhase::Busy);
    let MetricFact::RunnerStart { idle, queue_duration, flavor, .. } = &life.told[1].what else {
        panic!("{:?}", life.told)
    };
    assert_eq!((*idle, *queue_duration, flavor.as_str()), (2.0, Some(3.5), "larm"));
    life.reported(GuestPhase::Finished);
    assert_eq!(life.kinds(), ["installed", "start"], "its conclusion may yet come");
    life.take(&News::Conclusion);
    let MetricFact::RunnerStop { job_conclusion, .. } = &life.told[2].what else {
        panic!("{:?}", life.told)
    };
    assert_eq!(job_conclusion.as_deref(), Some("success"));
}

#[test]
fn a_time_out_of_this_world_is_corrupt() {
    let mut life = Life::new(false);
    let mut news = report(GuestPhase::Busy, 2);
    news.pre_job = Found::Present(PreJobMetrics {
        timestamp: 1e300,
        workflow: "ci".to_owned(),
        workflow_run_id: "7".to_owned(),
        repository: "acme/web".to_owned(),
        event: "push".to_owned(),
    });
    life.meet(&Event::Reported(Box::new(news)));
    assert_eq!(life.record.metrics.pre_job, None);
    assert!(life.record.corrupt[0].contains("timestamp"), "{:?}", life.record.corrupt);
}
