//! Webhooks: what they say, and what goes wrong with them.

use std::time::Duration;

use larm::smoke::standin::{Delivery, Faults, Hook, JobSpec, Scope, StandIn, WebhookFaults};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::receiver::{Received, Receiver, SECRET};
use crate::shapes::Job;
use crate::{Hub, LIMIT, header, job};

/// A webhook's body: every documented field that we use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    action: String,
    workflow_job: Job,
    repository: Named,
    organization: Value,
    sender: Value,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: u64,
    full_name: String,
    private: bool,
}

fn hook(receiver: &Receiver, scope: Scope) -> Hook {
    Hook { url: receiver.url.clone(), secret: SECRET.into(), scope }
}

fn site() -> Scope {
    Scope::Repository("acme/site".to_owned())
}

async fn open(webhooks: WebhookFaults) -> (Hub, Receiver) {
    let (hub, receiver) = (Hub::open().await, Receiver::open().await);
    hub.github.add_hook(hook(&receiver, site()));
    hub.github.set_faults(Faults { webhooks, ..Faults::default() });
    (hub, receiver)
}

/// Waits until every delivery has its answer.
pub(crate) async fn settled(github: &StandIn) -> Vec<Delivery> {
    let wait = async {
        while github.deliveries().iter().any(|one| one.status.1 == 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap();
    github.deliveries()
}

#[tokio::test]
async fn a_hook_hears_of_its_jobs_in_order() {
    let (hub, receiver) = open(WebhookFaults::default()).await;
    let of_org = Scope::Organization("ACME".to_owned());
    hub.github.add_hook(hook(&receiver, of_org));
    hub.github.queue_job(job("other/site", &["x"]));
    let spec = JobSpec { waits_for_approval: true, ..job("acme/site", &["x"]) };
    let id = hub.github.queue_job(spec);
    hub.github.approve_job(id).unwrap();
    hub.github.cancel_job(id).unwrap();
    let seen = receiver.received(6).await;
    let of_hook = |number: &str| -> Vec<&str> {
        let mine = seen.iter().filter(|one| one.header("x-github-hook-id") == number);
        mine.map(Received::action).collect()
    };
    assert_eq!(of_hook("1"), ["waiting", "queued", "completed"]);
    assert_eq!(of_hook("2"), ["waiting", "queued", "completed"]);
    for one in &seen {
        assert!(one.signed && one.job() == id);
        assert_eq!(one.header("x-github-event"), "workflow_job");
        assert_eq!(one.header("x-github-delivery").len(), 36);
        let body: Body = serde_json::from_value(one.body.clone()).unwrap();
        assert_eq!(body.repository.full_name, "acme/site");
        assert!(body.repository.private && body.repository.id > 0);
        assert_eq!(
            (body.organization["login"].as_str(), body.sender.is_object()),
            (Some("acme"), true)
        );
        assert_eq!(body.workflow_job.status == "completed", body.action == "completed");
        assert!(body.workflow_job.runner_name.is_none());
    }
}

#[tokio::test]
async fn deliveries_are_listed_by_cursor_and_sent_again() {
    let (hub, receiver) = open(WebhookFaults::default()).await;
    receiver.answers(StatusCode::INTERNAL_SERVER_ERROR);
    for _ in 0..3 {
        hub.github.queue_job(job("acme/site", &["x"]));
    }
    settled(&hub.github).await;
    let path = "/repos/acme/site/hooks/1/deliveries";
    let first = hub.get(&format!("{path}?per_page=2")).await;
    let link = header(&first, "link");
    let page: Vec<Value> = first.json().await.unwrap();
    assert_eq!((&page[0]["id"], &page[1]["id"], page.len()), (&json!(3), &json!(2), 2));
    let next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0;
    let next = next.strip_prefix(hub.github.url()).unwrap();
    let rest: Vec<Value> = hub.read(next).await;
    assert_eq!(rest.len(), 1);
    let one = rest[0].as_object().unwrap();
    for field in [
        "id",
        "guid",
        "delivered_at",
        "redelivery",
        "duration",
        "status",
        "status_code",
        "event",
        "action",
        "installation_id",
        "repository_id",
    ] {
        assert!(one.contains_key(field), "{field}");
    }
    assert_eq!((&one["status_code"], &one["redelivery"]), (&json!(500), &json!(false)));
    receiver.answers(StatusCode::ACCEPTED);
    assert_eq!(hub.post(&format!("{path}/1/attempts"), json!({})).await.status(), 202);
    assert_eq!(hub.post(&format!("{path}/77/attempts"), json!({})).await.status(), 404);
    let seen = receiver.received(4).await;
    assert_eq!(seen[3].header("x-github-delivery"), one["guid"].as_str().unwrap());
    let newest = settled(&hub.github).await.remove(0);
    assert_eq!((newest.redelivery, newest.status.1), (true, 202));
    let hooks: Vec<Value> = hub.read("/repos/acme/site/hooks").await;
    assert_eq!((hooks.len(), hooks[0]["config"]["url"].as_str()), (1, Some(receiver.url.as_str())));
    assert_eq!(hub.status("/orgs/acme/hooks/1/deliveries").await, 404);
}

#[tokio::test]
async fn the_hook_of_an_app_hears_of_all() {
    let (mut hub, receiver) = (Hub::open().await, Receiver::open().await);
    hub.github.add_app(crate::access::app_at("one"));
    hub.with_token(&crate::access::app_token());
    hub.github.add_hook(hook(&receiver, Scope::Anywhere));
    hub.github.queue_job(job("one/site", &[]));
    hub.github.queue_job(job("two/site", &[]));
    assert_eq!(
        receiver.received(2).await[0].header("x-github-hook-installation-target-type"),
        "integration"
    );
    let seen = receiver.received(2).await;
    assert_eq!(seen[0].body["installation"]["id"], 34);
    assert!(seen[1].body.get("installation").is_none());
    let listed: Vec<Value> = hub.read("/app/hook/deliveries").await;
    assert_eq!((listed.len(), &listed[1]["installation_id"]), (2, &json!(34)));
    assert_eq!(hub.post("/app/hook/deliveries/1/attempts", json!({})).await.status(), 202);
    receiver.received(3).await;
}

#[tokio::test]
async fn webhooks_are_lost() {
    let (hub, receiver) = open(WebhookFaults { lost: 1000, ..WebhookFaults::default() }).await;
    hub.github.queue_job(job("acme/site", &[]));
    assert_eq!(hub.github.deliveries()[0].status.1, 502);
    let silently = WebhookFaults { lost_silently: 1000, ..WebhookFaults::default() };
    hub.github.set_faults(Faults { webhooks: silently, ..Faults::default() });
    hub.github.queue_job(job("acme/site", &[]));
    assert_eq!(hub.github.deliveries().len(), 1);
    hub.github.set_faults(Faults::default());
    let id = hub.github.queue_job(job("acme/site", &[]));
    assert_eq!(receiver.received(1).await[0].job(), id);
    // What was lost and recorded can be sent again.
    assert_eq!(
        hub.post("/repos/acme/site/hooks/1/deliveries/1/attempts", json!({})).await.status(),
        202
    );
    assert_eq!(receiver.received(2).await[1].job(), 1);
}

#[tokio::test]
async fn webhooks_come_twice_and_are_forged() {
    let faults = WebhookFaults { duplicated: 1000, forged: 1000, ..WebhookFaults::default() };
    let (hub, receiver) = open(faults).await;
    let id = hub.github.queue_job(job("acme/site", &[]));
    let seen = receiver.received(3).await;
    let guid = |at: usize| seen[at].header("x-github-delivery").to_owned();
    assert_eq!((guid(0), seen[0].job(), seen[1].job()), (guid(1), id, id));
    assert!(seen[0].signed && seen[1].signed && !seen[2].signed);
    let known = hub.github.jobs().iter().any(|job| job.id == seen[2].job());
    assert!(!known && guid(2) != guid(0));
}

#[tokio::test]
async fn webhooks_that_are_late_are_overtaken() {
    let late = WebhookFaults {
        late: 500,
        late_by: Duration::from_millis(300),
        ..WebhookFaults::default()
    };
    let (hub, receiver) = open(late).await;
    for _ in 0..30 {
        hub.github.queue_job(job("acme/site", &[]));
    }
    let seen: Vec<u64> = receiver.received(30).await.iter().map(Received::job).collect();
    assert!(!seen.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn the_same_seed_loses_the_same() {
    let mut all = Vec::new();
    for _ in 0..2 {
        let faults = WebhookFaults { lost: 200, duplicated: 200, ..WebhookFaults::default() };
        let (hub, _receiver) = open(faults).await;
        for _ in 0..50 {
            hub.github.queue_job(job("acme/site", &[]));
        }
        let lost = settled(&hub.github).await;
        let lost: Vec<u64> =
            lost.iter().filter(|one| one.status.1 == 502).map(|one| one.id).collect();
        assert!((3..25).contains(&lost.len()), "{lost:?}");
        all.push(lost);
    }
    assert_eq!(all[0], all[1]);
}
