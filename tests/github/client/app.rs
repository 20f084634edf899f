//! Authentication as a GitHub App.

use jiff::SignedDuration;
use larm::github::{Auth, Connection, CredentialKind, GitHubErrorKind, Outcome};
use larm::smoke::standin::{App, Faults, Installation};
use reqwest::Response;

use super::{connect, labels, org, repo};
use crate::access::{app, app_token, permissions};
use crate::{Hub, header};

const KEY: &str = include_str!("../../../src/github/tests/app-key.pem");

fn auth(id: &str, installation: Option<u64>) -> Auth {
    Auth::App { id: id.to_owned(), key: KEY.into(), installation }
}

/// The App's installation, which may do all that larm wants.
fn installation() -> Installation {
    let granted = [
        ("organization_self_hosted_runners", "write"),
        ("administration", "write"),
        ("actions", "read"),
    ];
    Installation {
        id: 34,
        account: "acme".to_owned(),
        permissions: permissions(&granted),
        suspended: false,
    }
}

async fn open(life: SignedDuration) -> (Hub, Connection) {
    let hub = Hub::open().await;
    let installations = vec![installation()];
    hub.github.add_app(App { installations, token_life: life, ..app() });
    let connection = connect(&hub, auth("Iv1.abc", None));
    (hub, connection)
}

/// How often GitHub was asked as the App itself, this time included.
async fn asked_as_app(hub: &Hub) -> usize {
    let url = format!("{}/app", hub.github.url());
    let answer: Response = hub.client.get(url).bearer_auth(app_token()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    header(&answer, "x-ratelimit-used").parse().unwrap()
}

#[tokio::test]
async fn an_app_finds_its_installation_and_keeps_its_token() {
    let (hub, by_owner) = open(SignedDuration::from_hours(1)).await;
    for _ in 0..2 {
        by_owner.runners(&org()).await.unwrap();
        by_owner.jit_config(&repo(), "larm-1", &labels(&["x"])).await.unwrap();
    }
    assert_eq!(asked_as_app(&hub).await, 3, "the installation, its token, and this");
    for id in ["12", "Iv1.abc"] {
        let given = connect(&hub, auth(id, Some(34)));
        assert_eq!(given.runners(&repo()).await.unwrap().len(), 1);
    }
    let error = by_owner.runners(&"other/site".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), &GitHubErrorKind::NotInstalled);
    let stranger = connect(&hub, auth("Iv1.other", Some(34)));
    let error = stranger.runners(&org()).await.unwrap_err();
    assert!(error.hint().is_some() && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_in_the_middle_of_the_work() {
    let (hub, connection) = open(SignedDuration::from_mins(6)).await;
    connection.runners(&org()).await.unwrap();
    connection.runners(&org()).await.unwrap();
    assert_eq!(asked_as_app(&hub).await, 3);
    // Seven minutes later by GitHub's clock the token has ended, which this host does not know.
    hub.github.set_clock_skew(SignedDuration::from_mins(7));
    let made = connection.jit_config(&org(), "larm-1", &labels(&["x"])).await.unwrap();
    assert_eq!(hub.github.runners()[0].id, made.id);
    // What is looked up is only the token, and the new one is kept.
    connection.runners(&org()).await.unwrap();
    hub.github.set_clock_skew(SignedDuration::ZERO);
    assert_eq!(asked_as_app(&hub).await, 5);
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_before_and_used_while_none_is_given() {
    let (hub, connection) = open(SignedDuration::from_mins(4)).await;
    connection.runners(&org()).await.unwrap();
    connection.runners(&org()).await.unwrap();
    assert_eq!(asked_as_app(&hub).await, 4, "each look had a new token");
    // The first request that follows is for a new token.
    hub.github.set_faults(Faults { failures: 1, ..Faults::default() });
    assert_eq!(connection.runners(&org()).await, Ok(vec![]));
    assert_eq!(asked_as_app(&hub).await, 5, "no other one was asked for");
}

#[tokio::test]
async fn a_clock_that_is_a_minute_off_does_not_matter() {
    for off in [-60, 60] {
        let (hub, connection) = open(SignedDuration::from_hours(1)).await;
        hub.github.set_clock_skew(SignedDuration::from_secs(off));
        connection.jit_config(&org(), "larm-1", &labels(&["x"])).await.unwrap();
        assert_eq!(connection.runners(&org()).await.unwrap().len(), 1, "{off}");
    }
}

#[tokio::test]
async fn a_suspension_is_told_and_its_end_is_noticed() {
    let (hub, connection) = open(SignedDuration::from_hours(1)).await;
    connection.runners(&org()).await.unwrap();
    hub.github.set_installation(&Installation { suspended: true, ..installation() });
    // With the token that is kept, and without any.
    for connection in [&connection, &connect(&hub, auth("12", Some(34)))] {
        let error = connection.runners(&repo()).await.unwrap_err();
        assert!(matches!(error.kind(), GitHubErrorKind::Suspended { .. }), "{error}");
        assert!(error.hint().unwrap().contains("unsuspend"));
    }
    hub.github.set_installation(&installation());
    connection.runners(&repo()).await.unwrap();
}

#[tokio::test]
async fn an_app_is_checked() {
    let (hub, connection) = open(SignedDuration::from_hours(1)).await;
    let report = connection.check(&repo()).await.unwrap();
    assert_eq!(report.credential, CredentialKind::App);
    assert!(report.findings.iter().all(|one| one.outcome == Outcome::Good), "{report:?}");
    let mut less = installation();
    less.permissions.insert("administration".to_owned(), "read".to_owned());
    hub.github.set_installation(&less);
    let report = connection.check(&repo()).await.unwrap();
    let last = report.findings.last().unwrap();
    assert_eq!((last.subject, last.outcome), ("runners", Outcome::Bad));
    assert!(last.hint.as_ref().unwrap().contains("Administration: read and write"), "{last:?}");
    let report = connection.check(&"other/site".parse().unwrap()).await.unwrap();
    assert_eq!(report.outcome(), Outcome::Bad);
    assert!(report.findings[0].hint.as_ref().unwrap().contains("install the GitHub App"));
}
