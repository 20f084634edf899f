//! Jobs and repositories, looked for without webhooks.

use larm::github::JobLookup;
use larm::model::{JobState, Sighting};
use larm::smoke::standin::{JobSpec, Repository};

use super::Stage;
use crate::job;

fn in_run(run: u64, name: &str) -> JobSpec {
    JobSpec { run: Some(run), name: name.to_owned(), ..job("acme/site", &["Linux", "big"]) }
}

#[tokio::test]
async fn jobs_of_several_runs_are_found_and_those_that_wait_are_not() {
    let stage = Stage::open().await;
    let github = &stage.hub.github;
    let first = github.queue_job(in_run(7, "build"));
    let gone = github.queue_job(in_run(7, "lint"));
    let waits = github.queue_job(JobSpec { waits_for_approval: true, ..in_run(7, "deploy") });
    let other = github.queue_job(JobSpec { attempt: 2, ..in_run(8, "build") });
    let only_waits = github.queue_job(JobSpec { waits_for_approval: true, ..in_run(9, "deploy") });
    let over = github.queue_job(in_run(10, "build"));
    github.queue_job(job("acme/other", &["x"]));
    github.cancel_job(gone).unwrap();
    github.cancel_job(over).unwrap();
    let found = stage.connection.queued_jobs("acme/site").await.unwrap();
    let states: Vec<(u64, JobState)> = found.iter().map(|one| (one.id, one.state)).collect();
    let queued = JobState::Queued;
    assert_eq!(states, [(first, queued), (gone, JobState::Completed), (other, queued)]);
    let Sighting { run_id, run_attempt, repository, name, workflow, labels, .. } = &found[2];
    assert_eq!((*run_id, *run_attempt, &**repository, &**name), (8, 2, "acme/site", "build"));
    assert_eq!((workflow.as_deref(), labels.join(" ")), (Some("smoke"), "Linux big".to_owned()));
    assert_eq!((&found[0].runner, found[0].started_at), (&None, None));
    assert!(found[0].created_at.is_some() && found[1].completed_at.is_some());
    assert_eq!(found[1].conclusion.as_deref(), Some("cancelled"));
    // One by one they are the same.
    for one in found {
        assert_eq!(
            stage.connection.job("acme/site", one.id).await.unwrap(),
            JobLookup::Found(one.into())
        );
    }
    for held in [waits, only_waits] {
        assert_eq!(stage.connection.job("acme/site", held).await, Ok(JobLookup::Held), "{held}");
    }
    assert_eq!(stage.connection.job("acme/site", 4711).await, Ok(JobLookup::NotThere));
    github.approve_job(only_waits).unwrap();
    let found = stage.connection.queued_jobs("acme/site").await.unwrap();
    assert!(found.iter().any(|one| one.id == only_waits));
}

#[tokio::test]
async fn a_run_of_more_than_one_page_of_jobs_is_read_to_its_end() {
    let stage = Stage::open().await;
    for number in 0..130 {
        stage.hub.github.queue_job(in_run(7, &format!("job {number}")));
    }
    let found = stage.connection.queued_jobs("acme/site").await.unwrap();
    assert_eq!((found.len(), found[129].name.as_str()), (130, "job 129"));
    let left = stage.connection.budget().remaining;
    // As long as nothing changes, looking costs nothing.
    assert_eq!(stage.connection.queued_jobs("acme/site").await.unwrap(), found);
    assert_eq!(stage.connection.budget().remaining, left);
}

#[tokio::test]
async fn what_is_no_repository_is_never_asked_for() {
    let stage = Stage::open().await;
    for wrong in ["acme", "../orgs", "acme/..", "a/b/c", ""] {
        stage.connection.queued_jobs(wrong).await.unwrap_err();
        stage.connection.job(wrong, 1).await.unwrap_err();
    }
    assert_eq!(stage.connection.budget().limit, 0, "nothing was sent");
}

#[tokio::test]
async fn the_repositories_of_an_organisation_are_listed_to_the_second_page() {
    let stage = Stage::open().await;
    for number in 100..230 {
        stage.hub.github.add_repository(Repository::new(&format!("acme/r{number}")));
    }
    stage.hub.github.add_repository(Repository::new("other/one"));
    let found = stage.connection.repositories("acme").await.unwrap();
    assert_eq!((found.len(), found[129].full_name.as_str()), (130, "acme/r229"));
}
