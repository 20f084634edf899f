//! Faults of the REST API.

use std::time::Duration;

use larm::smoke::standin::Faults;
use serde_json::Value;

use crate::{Hub, job};

#[tokio::test]
async fn errors_come_as_often_as_ordered_and_the_same_each_time() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let hub = Hub::open().await;
        hub.github.set_faults(Faults { errors: 300, seed: 5, ..Faults::default() });
        let mut failed = Vec::new();
        for number in 0..100 {
            let made = hub.jit("orgs/acme", &format!("r{number}"), &["x"]).await;
            failed.push(made.status() == 500);
        }
        let failures = failed.iter().filter(|failed| **failed).count();
        assert!((10..60).contains(&failures), "{failures}");
        // What failed had no effect, what did not fail had it.
        assert_eq!(hub.github.runners().len() + failures, 100);
        seen.push(failed);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn an_answer_can_be_lost_after_its_effect() {
    let hub = Hub::open().await;
    hub.github.set_faults(Faults { errors_after: 1000, ..Faults::default() });
    assert_eq!(hub.jit("orgs/acme", "r", &["x"]).await.status(), 502);
    assert_eq!(hub.github.runners().len(), 1);
    hub.github.set_faults(Faults::default());
    assert_eq!(hub.jit("orgs/acme", "r", &["x"]).await.status(), 409);
}

#[tokio::test]
async fn runners_are_spared_unless_asked() {
    let hub = Hub::open().await;
    let message = "/runner-service/session";
    hub.github.set_faults(Faults { errors: 1000, ..Faults::default() });
    assert_eq!(hub.post(message, Value::Null).await.status(), 404);
    hub.github.set_faults(Faults { errors: 1000, errors_for_runners: true, ..Faults::default() });
    assert_eq!(hub.post(message, Value::Null).await.status(), 500);
}

#[tokio::test]
async fn lists_lag_and_single_looks_do_not() {
    let hub = Hub::open().await;
    let list_lag = Duration::from_hours(1);
    hub.github.set_faults(Faults { list_lag, ..Faults::default() });
    hub.jit("orgs/acme", "r", &["x"]).await;
    let id = hub.github.runners()[0].id;
    let queued = hub.github.queue_job(job("acme/site", &["y"]));
    let listed: Value = hub.read("/orgs/acme/actions/runners").await;
    assert_eq!(listed["total_count"], 0);
    let runs: Value = hub.read("/repos/acme/site/actions/runs").await;
    assert_eq!(runs["total_count"], 0);
    assert_eq!(hub.status(&format!("/orgs/acme/actions/runners/{id}")).await, 200);
    assert_eq!(hub.status(&format!("/repos/acme/site/actions/jobs/{queued}")).await, 200);
    hub.github.set_faults(Faults::default());
    let listed: Value = hub.read("/orgs/acme/actions/runners").await;
    assert_eq!(listed["total_count"], 1);
}
