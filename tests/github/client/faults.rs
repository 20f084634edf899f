//! A GitHub that fails: before the effect, after it, and with lists that lag.

use std::time::Duration;

use larm::github::{Deletion, GitHubErrorKind};
use larm::smoke::standin::{EventKind, Faults};
use proptest::prelude::*;

use super::{Stage, labels, org, repo};

/// How often a caller tries, far more than chance needs.
const MOST_TRIES: usize = 500;

#[tokio::test]
async fn a_look_is_repeated_and_a_registration_is_made_once() {
    let stage = Stage::open().await;
    let faults = |failures| Faults { failures, ..Faults::default() };
    stage.hub.github.set_faults(faults(2));
    assert_eq!(stage.connection.runners(&repo()).await, Ok(vec![]));
    stage.hub.github.set_faults(faults(3));
    let error = stage.connection.runners(&repo()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::Server { status: 500, .. }), "{error}");
    // Nothing was made, and the caller is told so.
    stage.hub.github.set_faults(faults(1));
    let error = stage.connection.jit_config(&repo(), "r", &labels(&["x"])).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(stage.named("r").len(), 0);
    let made = stage.connection.jit_config(&repo(), "r", &labels(&["x"])).await.unwrap();
    assert_eq!(stage.named("r")[0].id, made.id);
    stage.hub.github.set_faults(faults(2));
    let removed = stage.connection.delete_runner(&repo(), made.id).await;
    assert_eq!(removed, Ok(Deletion::Deleted));
}

#[tokio::test]
async fn a_registration_whose_answer_is_lost_is_made_good() {
    let stage = Stage::open().await;
    let mut events = stage.hub.github.events();
    let mut made_good = 0;
    for seed in 0..30 {
        let name = format!("r{seed}");
        let faults = Faults { errors_after: 300, seed, ..Faults::default() };
        stage.hub.github.set_faults(faults);
        let made = stage.connection.jit_config(&repo(), &name, &labels(&["x"])).await;
        let there: Vec<u64> = stage.named(&name).iter().map(|one| one.id).collect();
        let mut registered = 0;
        while let Ok(event) = events.try_recv() {
            registered += usize::from(event.kind == EventKind::RunnerRegistered);
        }
        let Ok(made) = made else { continue };
        assert_eq!(there, [made.id], "seed {seed}: the one that its configuration is for");
        made_good += usize::from(registered == 2);
    }
    assert!(made_good > 0, "no seed lost the first answer");
}

#[tokio::test]
async fn a_list_that_lags_does_not_hide_a_single_look() {
    let stage = Stage::open().await;
    let list_lag = Duration::from_hours(1);
    stage.hub.github.set_faults(Faults { list_lag, ..Faults::default() });
    let made = stage.connection.jit_config(&org(), "r", &labels(&["x"])).await.unwrap();
    assert_eq!(stage.connection.runners(&org()).await, Ok(vec![]));
    assert_eq!(stage.connection.runner_named(&org(), "r").await, Ok(None));
    assert!(stage.connection.runner(&org(), made.id).await.unwrap().is_some());
    // A name that is taken by what no list shows is left alone.
    let error = stage.connection.jit_config(&org(), "r", &labels(&["x"])).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::NameTaken { .. }), "{error}");
    assert_eq!(stage.named("r")[0].id, made.id);
}

/// Makes runners by name and removes them, repeating whatever fails.
async fn make_and_remove(faults: Faults, names: usize) {
    let stage = Stage::open().await;
    let connection = &stage.connection;
    stage.hub.github.set_faults(faults);
    let mut made = Vec::new();
    for number in 0..names {
        let name = format!("larm-{number}");
        let mut tries = 0..MOST_TRIES;
        let id = loop {
            tries.next().unwrap();
            match connection.jit_config(&repo(), &name, &labels(&["x"])).await {
                Ok(registered) => break registered.id,
                // Until the lists catch up with what was made.
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        made.push((name, id));
    }
    let there = |runners: Vec<larm::smoke::standin::RunnerRecord>| -> Vec<(String, u64)> {
        runners.into_iter().map(|one| (one.name, one.id)).collect()
    };
    assert_eq!(there(stage.hub.github.runners()), made);
    for (_, id) in made {
        let mut tries = 0..MOST_TRIES;
        while connection.delete_runner(&repo(), id).await.is_err() {
            tries.next().unwrap();
        }
    }
    assert_eq!(stage.hub.github.runners(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn one_runner_per_name_whatever_fails(
        seed: u64, errors in 0_u16..=300, errors_after in 0_u16..=300, lag in 0_u64..30
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let list_lag = Duration::from_millis(lag);
        let faults = Faults { seed, errors, errors_after, list_lag, ..Faults::default() };
        runtime.block_on(make_and_remove(faults, 3));
    }
}
