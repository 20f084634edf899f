//! What GitHub knows of a runner's job and monitoring is to be told: how long it waited, how it
//! ended. Webhooks bring it; where none does, GitHub is asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::tasks::Tasks;
use super::{FarmView, Input, Seen};
use crate::clock;
use crate::github::Connection;
use crate::manager::{FarmOrder, View};
use crate::model::plan::covers;
use crate::model::{GitHubPath, Job, JobFacts, Record, RunnerId, Source, Untold, untold};

/// How long a webhook may be on its way.
const WEBHOOK: Duration = Duration::from_secs(5);
/// How soon GitHub is asked once more, whose answers are late at times.
const AGAIN: Duration = Duration::from_secs(4);
/// How often it is asked.
const TRIES: u32 = 3;

/// What a runner's event waits for.
type Missing = (RunnerId, Untold);

/// Who waits, and of whom GitHub was asked.
#[derive(Debug, Default)]
pub(super) struct Facts {
    asked: BTreeSet<Missing>,
}

/// A question to GitHub: the job of one runner, in its workflow run.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) connection: String,
    repository: String,
    run: u64,
    runner: String,
    missing: Untold,
}

impl Facts {
    /// What can be told by now, and what is to be asked.
    pub(super) fn look(
        &mut self,
        runners: &View,
        farm: &FarmView,
    ) -> (Vec<FarmOrder>, Vec<Question>) {
        let waiting: Vec<(&Arc<Record>, Untold)> =
            runners.runners.values().filter_map(|one| Some((one, waits(one)?))).collect();
        let missing: BTreeSet<Missing> =
            waiting.iter().map(|(one, which)| (one.id().clone(), *which)).collect();
        self.asked.retain(|asked| missing.contains(asked));
        let (mut orders, mut questions) = (Vec::new(), Vec::new());
        for (record, which) in waiting {
            let name = record.name.to_string();
            if let Some(facts) = known(farm, &name, which) {
                orders.push(FarmOrder::JobFacts { runner: record.id().clone(), facts });
            } else if self.asked.insert((record.id().clone(), which)) {
                questions.extend(question(record, name, which));
            }
        }
        (orders, questions)
    }
}

/// What the event of a runner waits for; only those are waited for that have a binding.
fn waits(record: &Record) -> Option<Untold> {
    record.facts_due?;
    untold(record)
}

/// What is known of a runner's job, if it is what is missing.
fn known(farm: &FarmView, runner: &str, which: Untold) -> Option<JobFacts> {
    let job = farm.jobs.values().find(|job| job.runner.as_deref() == Some(runner))?;
    let facts = JobFacts { queued_for: queued_for(job), conclusion: job.conclusion.clone() };
    let enough = match which {
        Untold::Start => facts.queued_for.is_some(),
        Untold::Stop => facts.conclusion.is_some(),
    };
    enough.then_some(facts)
}

fn queued_for(job: &Job) -> Option<SignedDuration> {
    Some(job.started_at?.duration_since(job.queued_at).max(SignedDuration::ZERO))
}

/// The run's number and the repository are the guest's word: only where its runner may have a job
/// from is looked.
fn question(record: &Record, runner: String, missing: Untold) -> Option<Question> {
    let (binding, job) = (record.binding.as_ref()?, record.metrics.pre_job.as_ref()?);
    let run = job.workflow_run_id.parse().ok()?;
    let is_one = matches!(job.repository.parse(), Ok(GitHubPath::Repo { .. }));
    (is_one && covers(&binding.target.path, &job.repository)).then(|| Question {
        connection: binding.target.connection.clone(),
        repository: job.repository.clone(),
        run,
        runner,
        missing,
    })
}

/// Asks, unless a webhook comes first.
pub(super) async fn ask(tasks: Tasks, connection: Connection, question: Question) {
    if tasks.view.borrow().settings.webhook {
        tokio::time::sleep(WEBHOOK).await;
    }
    for _ in 0..TRIES {
        let known = known(&tasks.view.borrow(), &question.runner, question.missing).is_some();
        if known {
            return;
        }
        let at = clock::now();
        match Box::pin(connection.jobs_of_run(&question.repository, question.run)).await {
            Ok(mut sightings) => {
                sightings.retain(|one| one.runner.as_deref() == Some(question.runner.as_str()));
                let connection = Some(question.connection.clone());
                let seen = Seen { connection, source: Source::Poll, at, sightings };
                tasks.send(Input::Seen(seen)).await;
            }
            Err(error) => {
                tracing::debug!(runner = %question.runner, %error, "its job is not known");
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Binding, InstanceType, JobState, PreJobMetrics, Sighting, Spec, Target};
    use jiff::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(repository: &str) -> Record {
        let spec = Spec::new("small", "debian", InstanceType::Container);
        let mut record =
            Record::planned("larm-0123456789ab".parse().unwrap(), spec, false, at(100));
        record.binding = Some(Binding {
            pool: "small".to_owned(),
            target: Target {
                connection: "github".to_owned(),
                path: "acme".parse::<GitHubPath>().unwrap(),
            },
            labels: Vec::new(),
            job: None,
            since: at(100),
        });
        record.metrics.pre_job = Some(PreJobMetrics {
            timestamp: 100.0,
            workflow: "ci".to_owned(),
            workflow_run_id: "7".to_owned(),
            repository: repository.to_owned(),
            event: "push".to_owned(),
        });
        record.facts_due = Some(at(115));
        record
    }

    fn view(record: Record) -> View {
        View { runners: [(record.id().clone(), Arc::new(record))].into(), ..View::default() }
    }

    fn farm(state: JobState) -> FarmView {
        let sighting = Sighting {
            id: 1,
            run_id: 7,
            run_attempt: 1,
            repository: "acme/web".to_owned(),
            name: "build".to_owned(),
            workflow: None,
            labels: Vec::new(),
            state,
            runner: Some("larm-0123456789ab".to_owned()),
            conclusion: (state == JobState::Completed).then(|| "failure".to_owned()),
            created_at: Some(at(90)),
            started_at: Some(at(98)),
            completed_at: None,
        };
        let job = Job::new(&sighting, "github", Source::Webhook, at(99), at(99));
        FarmView { jobs: Arc::new([(1, Arc::new(job))].into()), ..FarmView::default() }
    }

    #[test]
    fn what_is_known_is_told_and_the_rest_is_asked_once() {
        let (mut facts, runners) = (Facts::default(), view(record("acme/web")));
        let (orders, questions) = facts.look(&runners, &FarmView::default());
        assert_eq!((orders.len(), questions.len()), (0, 1));
        assert_eq!((questions[0].run, questions[0].repository.as_str()), (7, "acme/web"));
        assert_eq!(facts.look(&runners, &FarmView::default()).1.len(), 0, "asked twice");
        let (orders, _) = facts.look(&runners, &farm(JobState::InProgress));
        let [FarmOrder::JobFacts { facts, .. }] = orders.as_slice() else { panic!("{orders:?}") };
        assert_eq!(facts.queued_for, Some(SignedDuration::from_secs(8)));
    }

    #[test]
    fn a_conclusion_is_waited_for_where_the_start_was_told() {
        let mut ended = record("acme/web");
        ended.told.start = true;
        ended.metrics.post_job = Some(crate::model::PostJobMetrics {
            timestamp: 101.0,
            status: crate::model::PostJobStatus::Normal,
            status_info: None,
        });
        let runners = view(ended);
        let (orders, questions) = Facts::default().look(&runners, &farm(JobState::InProgress));
        assert_eq!((orders.len(), questions.len()), (0, 1));
        let (orders, _) = Facts::default().look(&runners, &farm(JobState::Completed));
        assert_eq!(orders.len(), 1);
    }

    #[test]
    fn a_guest_cannot_make_larm_look_elsewhere() {
        for repository in ["other/web", "acme/../web", "acme"] {
            let runners = view(record(repository));
            let (_, questions) = Facts::default().look(&runners, &FarmView::default());
            assert!(questions.is_empty(), "{repository}");
        }
    }
}
