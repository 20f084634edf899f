//! Waiting for what LXD does in the background.

use std::time::Duration;

use larm::lxd::{Client, ErrorKind, Exec, StateChange, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Environment, LIMIT};

pub(crate) async fn are_waited_for_with_and_without_events(environment: Environment) {
    let guest = environment.started().await;
    for client in [&environment.client, &environment.plain] {
        // One that has ended before the wait begins, and one that ends during the wait.
        for seconds in ["0", "0.5"] {
            let exec = Exec::new(["sleep", seconds]);
            let operation = client.exec_recorded(&guest.name, &exec).await.unwrap();
            if seconds == "0" {
                sleep(Duration::from_millis(500)).await;
            }
            let finished = client.wait(&operation, LIMIT).await.unwrap();
            let code = finished.metadata.get("return").and_then(Value::as_i64);
            assert_eq!(code, Some(0));
        }
        let operation = client.change_state(&guest.name, StateChange::Start).await.unwrap();
        let error = client.wait(&operation, LIMIT).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::AlreadyRunning { .. }), "{error}");
        assert!(error.to_string().contains(&format!("start instance {}", guest.name)), "{error}");
    }
}

pub(crate) async fn end_at_the_limit(environment: Environment) {
    let guest = environment.started().await;
    for client in [&environment.client, &environment.plain] {
        let exec = Exec::new(["sleep", "20"]);
        let operation = client.exec_recorded(&guest.name, &exec).await.unwrap();
        let begin = Instant::now();
        let limit = Duration::from_millis(700);
        let error = client.wait(&operation, limit).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::TimedOut { limit });
        assert!(error.is_transient() && begin.elapsed() >= limit);
        let found = client.operation(&operation.id).await.unwrap().unwrap();
        assert_eq!(found.status_code, StatusCode::RUNNING, "it goes on");
        let error = client.cancel(&found).await.unwrap_err();
        assert!(!error.is_not_found(), "an exec cannot be cancelled: {error}");
    }
}

pub(crate) async fn are_forgotten_soon_after_their_end(environment: Environment) {
    let guest = environment.started().await;
    let client = &environment.client;
    let operation = client.exec_recorded(&guest.name, &Exec::new(["true"])).await.unwrap();
    client.wait(&operation, LIMIT).await.unwrap();
    forgotten(client, &operation.id).await;
    let error = environment.plain.wait(&operation, LIMIT).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::OperationLost);
    assert!(!error.is_not_found(), "the instance is still there");
    // The event stream may have told the end in time.
    match client.wait(&operation, LIMIT).await {
        Ok(finished) => {
            assert_eq!(finished.metadata.get("return").and_then(Value::as_i64), Some(0));
        }
        Err(error) => assert_eq!(*error.kind(), ErrorKind::OperationLost),
    }
}

pub(crate) async fn are_listed_while_under_way(environment: Environment) {
    let guest = environment.started().await;
    let client = &environment.client;
    let operation = client.exec_recorded(&guest.name, &Exec::new(["sleep", "3"])).await.unwrap();
    let found = client.operations_of(&guest.name).await.unwrap();
    assert!(found.iter().any(|one| one.id == operation.id), "{found:?}");
    assert!(client.operations_of("no-such").await.unwrap().is_empty());
    for one in &found {
        client.wait(one, LIMIT).await.unwrap();
    }
    let left = client.operations_of(&guest.name).await.unwrap();
    assert!(left.iter().all(|one| one.id != operation.id), "{left:?}");
}

pub(crate) async fn are_waited_for_by_many_at_once(environment: Environment) {
    let guest = environment.started().await;
    let client = &environment.client;
    let operation = client.exec_recorded(&guest.name, &Exec::new(["sleep", "1"])).await.unwrap();
    let waits = (0..20).map(|_| client.wait(&operation, LIMIT));
    for finished in futures_util::future::join_all(waits).await {
        finished.unwrap();
    }
}

async fn forgotten(client: &Client, id: &str) {
    let begin = Instant::now();
    while client.operation(id).await.unwrap().is_some() {
        assert!(begin.elapsed() < LIMIT, "an operation that has ended is forgotten");
        sleep(Duration::from_millis(500)).await;
    }
}
