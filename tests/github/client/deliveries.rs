//! Webhooks of the stand-in, checked and read by the client, and those that failed found again.

use jiff::{SignedDuration, Timestamp};
use larm::clock;
use larm::github::{Auth, Connection, Delivery, JobLookup, WebhookError, parse, verify};
use larm::model::{JobState, Sighting};
use larm::smoke::standin::{App, Faults, Hook, JobSpec, Scope, WebhookFaults};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;

use super::{Stage, as_runner, connect, key, labels};
use crate::access::app;
use crate::receiver::{Received, Receiver, SECRET};
use crate::webhooks::settled;
use crate::{Hub, job};

/// What the client makes of a webhook.
fn read(one: &Received) -> Result<Delivery, WebhookError> {
    let secret = SecretString::from(SECRET);
    verify(&secret, one.header("x-hub-signature-256"), &one.raw)?;
    parse(one.header("x-github-event"), &one.raw)
}

fn sighting(one: &Received) -> Sighting {
    let delivery = read(one).unwrap();
    let Delivery::Job { sighting, .. } = delivery else { panic!("{delivery:?}") };
    *sighting
}

#[tokio::test]
async fn a_job_is_seen_in_each_of_its_states() {
    let (stage, receiver) = (Stage::open().await, Receiver::open().await);
    let hub = &stage.hub;
    let scope = Scope::Organization("acme".to_owned());
    hub.github.add_hook(Hook { url: receiver.url.clone(), secret: SECRET.into(), scope });
    let spec = JobSpec { waits_for_approval: true, ..job("acme/site", &["Linux", "big"]) };
    let id = hub.github.queue_job(JobSpec { attempt: 3, ..spec });
    hub.github.approve_job(id).unwrap();
    let path = "acme/site".parse().unwrap();
    let made = stage.connection.jit_config(&path, "larm-1", &labels(&["linux", "big"])).await;
    let key = key(&made.unwrap());
    for (method, rest) in [
        (Method::POST, "session?version=2.340.0".to_owned()),
        (Method::GET, "message".to_owned()),
        (Method::POST, format!("jobs/{id}/started?attempt=a")),
        (Method::POST, format!("jobs/{id}/finished?result=succeeded")),
    ] {
        assert_eq!(as_runner(hub, &key, method, &rest).await, 200, "{rest}");
    }
    let seen = receiver.received(4).await;
    assert_eq!(read(&seen[0]), Ok(Delivery::Waiting));
    let queued = sighting(&seen[1]);
    assert_eq!((queued.id, queued.state, queued.run_attempt), (id, JobState::Queued, 3));
    assert_eq!((queued.repository.as_str(), queued.name.as_str()), ("acme/site", "build"));
    assert_eq!(queued.labels, ["Linux", "big"]);
    assert_eq!((&queued.runner, queued.started_at), (&None, None));
    let running = sighting(&seen[2]);
    assert_eq!((running.id, running.state), (id, JobState::InProgress));
    assert_eq!(running.runner.as_deref(), Some("larm-1"));
    assert!(running.started_at.is_some() && running.completed_at.is_none());
    let done = sighting(&seen[3]);
    assert_eq!((done.state, done.conclusion.as_deref()), (JobState::Completed, Some("success")));
    assert!(done.completed_at.is_some());
    // Webhooks and the API tell the same.
    assert_eq!(stage.connection.job("acme/site", id).await.unwrap(), JobLookup::Found(done.into()));
}

#[tokio::test]
async fn what_is_forged_is_refused_whatever_it_says() {
    let (hub, receiver) = (Hub::open().await, Receiver::open().await);
    let scope = Scope::Repository("acme/site".to_owned());
    hub.github.add_hook(Hook { url: receiver.url.clone(), secret: SECRET.into(), scope });
    let webhooks = WebhookFaults { forged: 1000, ..WebhookFaults::default() };
    hub.github.set_faults(Faults { webhooks, ..Faults::default() });
    let id = hub.github.queue_job(job("acme/site", &["x"]));
    let seen = receiver.received(2).await;
    assert_eq!(sighting(&seen[0]).id, id);
    assert_eq!(read(&seen[1]), Err(WebhookError::Signature));
    let mut changed = seen[0].clone();
    changed.raw[0] ^= 1;
    assert_eq!(read(&changed), Err(WebhookError::Signature));
}

/// Those that failed since a time, as it is asked for here.
async fn failed(
    connection: &Connection,
    receiver: &Receiver,
    since: Timestamp,
) -> Vec<larm::github::FailedDelivery> {
    let path = "acme/site".parse().unwrap();
    connection.failed_deliveries(&path, &receiver.url, since).await.unwrap()
}

#[tokio::test]
async fn what_failed_is_found_and_comes_again() {
    let (stage, receiver) = (Stage::open().await, Receiver::open().await);
    let (github, connection) = (&stage.hub.github, &stage.connection);
    let scope = Scope::Repository("acme/site".to_owned());
    github.add_hook(Hook {
        url: "http://127.0.0.1:1/".into(),
        secret: SECRET.into(),
        scope: scope.clone(),
    });
    github.add_hook(Hook { url: receiver.url.clone(), secret: SECRET.into(), scope });
    let start = clock::now() - SignedDuration::from_mins(1);
    let arrived = github.queue_job(job("acme/site", &["x"]));
    receiver.received(1).await;
    receiver.answers(StatusCode::INTERNAL_SERVER_ERROR);
    // More than one page of them.
    let jobs: Vec<u64> = (0..130).map(|_| github.queue_job(job("acme/site", &["x"]))).collect();
    settled(github).await;
    let lost = failed(connection, &receiver, start).await;
    assert_eq!(lost.len(), jobs.len());
    assert!(lost.iter().all(|one| (one.status_code, one.attempts) == (500, 1)));
    receiver.answers(StatusCode::ACCEPTED);
    let before = receiver.received(131).await.len();
    connection.redeliver(&"acme/site".parse().unwrap(), &lost[0]).await.unwrap();
    let again = receiver.received(before + 1).await.pop().unwrap();
    assert_eq!(again.header("x-github-delivery"), lost[0].guid);
    assert!(jobs.contains(&sighting(&again).id) && sighting(&again).id != arrived);
    settled(github).await;
    let left = failed(connection, &receiver, start).await;
    assert_eq!(left, lost[1..], "what arrived at the second attempt is no failure any more");
    let later = clock::now() + SignedDuration::from_mins(1);
    assert_eq!(failed(connection, &receiver, later).await, []);
}

#[tokio::test]
async fn an_app_finds_what_its_own_webhook_lost() {
    let (hub, receiver) = (Hub::open().await, Receiver::open().await);
    hub.github.add_app(App { token_life: SignedDuration::from_hours(1), ..app() });
    let key = include_str!("../../../src/github/tests/app-key.pem").into();
    let connection = connect(&hub, Auth::App { id: "12".into(), key, installation: Some(34) });
    let start = clock::now() - SignedDuration::from_mins(1);
    let scope = Scope::Anywhere;
    hub.github.add_hook(Hook { url: receiver.url.clone(), secret: SECRET.into(), scope });
    let webhooks = WebhookFaults { lost: 1000, ..WebhookFaults::default() };
    hub.github.set_faults(Faults { webhooks, ..Faults::default() });
    let id = hub.github.queue_job(job("acme/site", &["x"]));
    let lost = failed(&connection, &receiver, start).await;
    assert_eq!(lost.len(), 1);
    connection.redeliver(&"acme/site".parse().unwrap(), &lost[0]).await.unwrap();
    let came = receiver.received(1).await.remove(0);
    assert_eq!(sighting(&came).id, id);
    assert!(matches!(read(&came), Ok(Delivery::Job { installation: Some(34), .. })));
    settled(&hub.github).await;
    assert_eq!(failed(&connection, &receiver, start).await, []);
}
