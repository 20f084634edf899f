//! The budget, its reserve, pauses, and what costs nothing.

use std::time::Duration;

use larm::clock;
use larm::github::{Deletion, GitHubErrorKind};
use larm::smoke::standin::{LimitSpan, SecondaryLimit};

use super::{Stage, labels, org, repo};

#[tokio::test]
async fn a_second_look_costs_nothing_until_there_is_news() {
    let stage = Stage::open().await;
    let connection = &stage.connection;
    stage.hub.jit("orgs/acme", "one", &["x"]).await;
    let first = connection.runners(&org()).await.unwrap();
    let left = connection.budget();
    assert_eq!((left.limit, left.remaining, left.paused_until), (5000, 4998, None));
    assert!(left.resets_at.is_some_and(|end| end > clock::now()));
    assert_eq!(connection.runners(&org()).await.unwrap(), first);
    assert_eq!(connection.budget().remaining, 4998);
    stage.hub.jit("orgs/acme", "two", &["x"]).await;
    assert_eq!(connection.runners(&org()).await.unwrap().len(), 2);
    assert_eq!(connection.budget().remaining, 4996, "the registration and the list");
}

#[tokio::test]
async fn the_last_of_the_budget_is_for_removals() {
    let stage = Stage::open().await;
    let connection = &stage.connection;
    let made = connection.jit_config(&repo(), "larm-1", &labels(&["x"])).await.unwrap();
    stage.hub.github.set_primary_limit(40);
    let mut looks = 0;
    let error = loop {
        match connection.runner(&repo(), made.id).await {
            Ok(_) => looks += 1,
            Err(error) => break error,
        }
    };
    let GitHubErrorKind::BudgetSpent { until } = error.kind() else { panic!("{error}") };
    assert!(*until > clock::now() && error.is_transient());
    assert_eq!((looks, connection.budget().remaining), (38, 2));
    let error = connection.jit_config(&repo(), "larm-2", &labels(&["x"])).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::BudgetSpent { .. }), "{error}");
    assert_eq!(connection.delete_runner(&repo(), made.id).await, Ok(Deletion::Deleted));
    assert_eq!(connection.delete_runner(&repo(), made.id).await, Ok(Deletion::NotThere));
    let error = connection.delete_runner(&repo(), made.id).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::BudgetSpent { .. }), "all is spent: {error}");
}

#[tokio::test]
async fn a_secondary_limit_fails_fast_and_says_until_when() {
    for (status, retry_after, seconds) in [
        (403, Some(Duration::from_secs(7)), 7),
        (429, Some(Duration::from_secs(7)), 7),
        (403, None, 60),
    ] {
        let stage = Stage::open().await;
        let connection = &stage.connection;
        let made = connection.jit_config(&repo(), "larm-1", &labels(&["x"])).await.unwrap();
        let before = clock::now().as_second();
        let span = LimitSpan::Requests(1);
        stage.hub.github.order_secondary_limit(SecondaryLimit { status, retry_after, span });
        let first = connection.runners(&repo()).await.unwrap_err();
        let until = first.retry_at().unwrap();
        let after = clock::now().as_second();
        assert!((before + seconds..=after + seconds).contains(&until.as_second()), "{first}");
        // The limit is over at GitHub: who fails now has not asked.
        for _ in 0..2 {
            let error = connection.runners(&repo()).await.unwrap_err();
            assert_eq!(error.kind(), &GitHubErrorKind::Paused { until });
            let error =
                connection.jit_config(&repo(), "larm-2", &labels(&["x"])).await.unwrap_err();
            assert_eq!(error.kind(), &GitHubErrorKind::Paused { until });
        }
        assert_eq!(connection.budget().paused_until, Some(until));
        assert_eq!(connection.delete_runner(&repo(), made.id).await, Ok(Deletion::Deleted));
        assert!(stage.hub.github.runners().is_empty());
    }
}
