//! Runners: made, listed, looked at, removed.

use larm::github::{Deletion, GitHubErrorKind};
use larm::smoke::standin::{Group, Organization, Repository, Versions};
use reqwest::Method;
use secrecy::ExposeSecret;

use super::{Stage, TOKEN, as_runner, connect_as_cloud, key, labels, org, repo};
use crate::job;

#[tokio::test]
async fn every_page_of_a_list_on_a_server_is_asked_for_with_the_credential() {
    let stage = Stage::open().await;
    for number in 0..230 {
        let made = stage.hub.jit("repos/acme/site", &format!("r{number}"), &["x"]).await;
        assert_eq!(made.status(), 201);
    }
    let listed = stage.connection.runners(&repo()).await.unwrap();
    assert_eq!(listed.len(), 230);
    for (number, one) in listed.iter().enumerate() {
        assert_eq!(one.name, format!("r{number}"));
    }
    let last = stage.connection.runner_named(&repo(), "r229").await.unwrap().unwrap();
    assert_eq!(Some(&last), listed.last());
    assert_eq!(stage.connection.runners(&org()).await.unwrap(), [], "they are the repository's");
    assert_eq!(stage.connection.web_url(), stage.hub.github.url());
    assert_eq!(stage.connection.name(), "main");
}

#[tokio::test]
async fn a_runner_is_made_seen_and_removed_once() {
    let stage = Stage::open().await;
    let connection = &stage.connection;
    for path in [repo(), org()] {
        let made = connection.jit_config(&path, "larm-1", &labels(&["Linux", "Big"])).await;
        let made = made.unwrap();
        assert!(!key(&made).is_empty());
        let seen = connection.runner(&path, made.id).await.unwrap().unwrap();
        assert_eq!((seen.id, seen.online, seen.busy), (made.id, false, false));
        assert_eq!(
            (seen.name.as_str(), seen.labels.clone()),
            ("larm-1", labels(&["linux", "big"]))
        );
        assert_eq!(seen.version, None);
        let named = connection.runner_named(&path, "larm-1").await.unwrap();
        assert_eq!(named.as_ref(), Some(&seen));
        assert_eq!(connection.runners(&path).await.unwrap(), [seen]);
        assert_eq!(connection.delete_runner(&path, made.id).await, Ok(Deletion::Deleted));
        assert_eq!(connection.delete_runner(&path, made.id).await, Ok(Deletion::NotThere));
        assert_eq!(connection.runner(&path, made.id).await, Ok(None));
        assert_eq!(connection.runner_named(&path, "larm-1").await, Ok(None));
    }
}

#[tokio::test]
async fn a_runner_that_has_a_job_stays() {
    let stage = Stage::open().await;
    let connection = &stage.connection;
    let made = connection.jit_config(&repo(), "larm-1", &labels(&["linux"])).await.unwrap();
    let (id, key) = (stage.hub.github.queue_job(job("acme/site", &["linux"])), key(&made));
    let hub = &stage.hub;
    assert_eq!(as_runner(hub, &key, Method::POST, "session?version=2.340.0").await, 200);
    let seen = connection.runner(&repo(), made.id).await.unwrap().unwrap();
    assert_eq!((seen.online, seen.version.as_deref()), (true, Some("2.340.0")));
    assert_eq!(as_runner(hub, &key, Method::GET, "message").await, 200);
    assert_eq!(
        as_runner(hub, &key, Method::POST, &format!("jobs/{id}/started?attempt=a")).await,
        200
    );
    let seen = connection.runner_named(&repo(), "larm-1").await.unwrap().unwrap();
    assert!(seen.busy);
    assert_eq!(connection.delete_runner(&repo(), made.id).await, Ok(Deletion::Busy));
    // Its name is not given to another one.
    let again = connection.jit_config(&repo(), "larm-1", &labels(&["linux"])).await.unwrap_err();
    assert!(matches!(again.kind(), GitHubErrorKind::NameTaken { .. }), "{again}");
    assert_eq!(stage.named("larm-1").len(), 1);
    let done = format!("jobs/{id}/finished?result=succeeded");
    assert_eq!(as_runner(hub, &key, Method::POST, &done).await, 200);
    assert_eq!(connection.delete_runner(&repo(), made.id).await, Ok(Deletion::NotThere));
}

#[tokio::test]
async fn what_an_earlier_try_left_makes_room() {
    let stage = Stage::open().await;
    let first = stage.connection.jit_config(&org(), "larm-1", &labels(&["x"])).await.unwrap();
    let second = stage.connection.jit_config(&org(), "larm-1", &labels(&["x"])).await.unwrap();
    let left: Vec<u64> = stage.named("larm-1").iter().map(|one| one.id).collect();
    assert_eq!(left, [second.id]);
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn a_runner_joins_the_group_that_is_named() {
    let stage = Stage::open().await;
    let group =
        |id: u64, name: &str| Group { id, name: name.to_owned(), allows_public_repositories: true };
    let groups = vec![group(1, "Default"), group(5, "Farm")];
    stage.hub.github.add_organization(Organization { groups, ..Organization::new("acme") });
    let connection = &stage.connection;
    for (name, number) in [("farm", 5), ("default", 1)] {
        connection.jit_config(&org().with_group(name), name, &labels(&["x"])).await.unwrap();
        assert_eq!(stage.named(name)[0].group, number);
    }
    let none = org().with_group("nowhere");
    let error = connection.jit_config(&none, "x", &labels(&["x"])).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::NoGroup { .. }), "{error}");
    // The group is made anew: the number that is known fails once, and is looked up again.
    let groups = vec![group(1, "Default"), group(6, "Farm")];
    stage.hub.github.add_organization(Organization { groups, ..Organization::new("acme") });
    let farm = org().with_group("farm");
    connection.jit_config(&farm, "stale", &labels(&["x"])).await.unwrap_err();
    connection.jit_config(&farm, "fresh", &labels(&["x"])).await.unwrap();
    assert_eq!(stage.named("fresh")[0].group, 6);
}

#[tokio::test]
async fn a_place_that_is_closed_says_why() {
    let stage = Stage::open().await;
    let github = &stage.hub.github;
    github.add_repository(Repository { runners_disabled: true, ..Repository::new("acme/a") });
    github.add_repository(Repository { actions_disabled: true, ..Repository::new("acme/b") });
    let make = async |place: &str| {
        let path = place.parse().unwrap();
        stage.connection.jit_config(&path, "x", &labels(&["x"])).await.unwrap_err()
    };
    let error = make("acme/a").await;
    assert!(matches!(error.kind(), GitHubErrorKind::RunnersDisabled { .. }), "{error}");
    let error = make("acme/b").await;
    assert!(matches!(error.kind(), GitHubErrorKind::ActionsDisabled { .. }), "{error}");
    let error = make("acme/nowhere").await;
    assert!(matches!(error.kind(), GitHubErrorKind::NotFound { .. }), "{error}");
    let path = "acme/a".parse().unwrap();
    let error = stage.connection.jit_config(&path, "x", &[]).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::Invalid { .. }), "{error}");
    assert!(github.runners().is_empty());
}

#[tokio::test]
async fn tokens_register_and_remove_runners() {
    let stage = Stage::open().await;
    let register = stage.connection.registration_token(&org()).await.unwrap();
    let remove = stage.connection.remove_token(&org()).await.unwrap();
    let register = register.expose_secret();
    let rest = "registrations?name=classic&labels=x";
    assert_eq!(as_runner(&stage.hub, register, Method::POST, rest).await, 200);
    assert_eq!(as_runner(&stage.hub, "other", Method::POST, rest).await, 401);
    let listed = stage.connection.runners(&org()).await.unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str()), (1, "classic"));
    let rest = "removal?name=classic";
    assert_eq!(as_runner(&stage.hub, remove.expose_secret(), Method::POST, rest).await, 200);
    assert_eq!(stage.connection.runners(&org()).await, Ok(vec![]));
}

#[tokio::test]
async fn the_application_and_its_end_are_told() {
    let stage = Stage::open().await;
    let end = "2026-11-05T08:04:00Z".parse().ok();
    let deprecations = [("2.336.0".to_owned(), end), ("2.340.0".to_owned(), None)].into();
    let newest = "2.340.0".to_owned();
    stage.hub.github.set_versions(Versions { newest, deprecations, padding: 0 });
    let builds = stage.connection.downloads(&repo()).await.unwrap();
    let linux = builds.iter().find(|one| one.os == "linux" && one.architecture == "x64").unwrap();
    assert_eq!(linux.version, "2.340.0");
    assert_eq!(linux.filename, "actions-runner-linux-x64-2.340.0.tar.gz");
    let archive = stage.hub.client.get(&linux.url).send().await.unwrap().bytes().await.unwrap();
    let sum = format!("{:x}", <sha2::Sha256 as sha2::Digest>::digest(&archive));
    assert_eq!(linux.sha256.as_ref(), Some(&sum));
    let server = &stage.connection;
    let known = server.deprecation(&org(), "2.336.0").await.unwrap().unwrap();
    assert_eq!((known.runtime_ends, known.too_old), (end, false));
    let open = server.deprecation(&org(), "2.340.0").await.unwrap().unwrap();
    assert_eq!((open.runtime_ends, open.too_old), (None, false));
    assert_eq!(server.deprecation(&repo(), "2.300.0").await, Ok(None));
    // github.com has a lowest version.
    let cloud = connect_as_cloud(&stage.hub, larm::github::Auth::Token(TOKEN.into()));
    assert!(cloud.deprecation(&repo(), "2.300.0").await.unwrap().unwrap().too_old);
    assert_eq!(cloud.deprecation(&repo(), "2.999.0").await, Ok(None));
}
