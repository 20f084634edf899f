//! Who may ask for what.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use larm::clock;
use larm::smoke::standin::{
    Account, AccountKind, App, Group, Installation, Organization, Permissions, Repository, Scope,
};
use serde_json::{Value, json};

use crate::{Hub, header, message};

const RUNNERS: &str = "/orgs/acme/actions/runners";

pub(crate) fn permissions(granted: &[(&str, &str)]) -> Permissions {
    granted.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect()
}

pub(crate) fn classic(token: &str, scopes: &[&str]) -> Account {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let kind = AccountKind::Classic { scopes };
    Account { login: "jo".to_owned(), token: token.into(), kind, targets: None }
}

pub(crate) fn app() -> App {
    let granted = permissions(&[("organization_self_hosted_runners", "write")]);
    App {
        id: 12,
        client_id: "Iv1.abc".to_owned(),
        slug: "larm".to_owned(),
        installations: vec![Installation {
            id: 34,
            account: "acme".to_owned(),
            permissions: granted,
            suspended: false,
        }],
        token_life: SignedDuration::from_mins(60),
    }
}

/// The App at another organisation.
pub(crate) fn app_at(account: &str) -> App {
    let mut app = app();
    for one in &mut app.installations {
        account.clone_into(&mut one.account);
    }
    app
}

/// A good token of the App itself.
pub(crate) fn app_token() -> String {
    jwt(&json!(12), -60, 500)
}

/// A JSON web token with a signature that nobody looks at, from and to so many seconds from now.
fn jwt(issuer: &Value, from: i64, to: i64) -> String {
    let now = clock::now().as_second();
    let claims = json!({"iss": issuer, "iat": now + from, "exp": now + to}).to_string();
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(&claims), part("signature"))
}

#[tokio::test]
async fn a_classic_token_needs_its_scopes() {
    let mut hub = Hub::open().await;
    hub.github.add_account(classic("ghp_good", &["admin:org"]));
    hub.github.add_account(Account { login: "al".into(), ..classic("ghp_weak", &["gist"]) });
    assert_eq!(hub.status(RUNNERS).await, 401);
    let bad = hub.with_token("ghp_bad").get(RUNNERS).await;
    assert_eq!(message(bad).await, (401, "Bad credentials".to_owned()));
    let good = hub.with_token("ghp_good").get(RUNNERS).await;
    assert_eq!(
        (good.status().as_u16(), header(&good, "x-oauth-scopes")),
        (200, "admin:org".into())
    );
    assert_eq!(hub.status("/repos/acme/site/actions/runners").await, 403);
    let user: Value = hub.read("/user").await;
    assert_eq!(user["login"], "jo");
    let weak = hub.with_token("ghp_weak").get(RUNNERS).await;
    assert_eq!(header(&weak, "x-accepted-oauth-scopes"), "admin:org");
    let text = "Resource not accessible by personal access token";
    assert_eq!(message(weak).await, (403, text.to_owned()));
}

#[tokio::test]
async fn a_fine_grained_token_needs_its_permissions_and_targets() {
    let mut hub = Hub::open().await;
    let permissions = permissions(&[("administration", "read"), ("actions", "write")]);
    hub.github.add_account(Account {
        kind: AccountKind::FineGrained { permissions },
        targets: Some(vec![Scope::Organization("acme".to_owned())]),
        ..classic("github_pat_1", &[])
    });
    hub.with_token("github_pat_1");
    let runners = "/repos/acme/site/actions/runners";
    let read = hub.get(runners).await;
    assert_eq!((read.status().as_u16(), header(&read, "x-oauth-scopes")), (200, String::new()));
    let write = hub.jit("repos/acme/site", "x", &["x"]).await;
    assert_eq!(header(&write, "x-accepted-github-permissions"), "administration=write");
    assert_eq!(write.status(), 403);
    assert_eq!(hub.status("/repos/acme/site/actions/runs").await, 200);
    assert_eq!(hub.status(RUNNERS).await, 403);
    assert_eq!(hub.status("/repos/elsewhere/site/actions/runners").await, 404);
}

#[tokio::test]
async fn an_app_gets_tokens_for_its_installations_that_end() {
    let mut hub = Hub::open().await;
    hub.github.add_app(app());
    hub.with_token(&jwt(&json!("Iv1.abc"), -60, 500));
    let known: Value = hub.read("/app").await;
    assert_eq!(known["slug"], "larm");
    let installation: Value = hub.read("/orgs/acme/installation").await;
    assert_eq!((&installation["id"], &installation["app_id"]), (&json!(34), &json!(12)));
    assert_eq!(hub.status("/repos/acme/site/installation").await, 200);
    assert_eq!(hub.status("/orgs/other/installation").await, 404);
    assert_eq!(hub.status(RUNNERS).await, 401);
    let path = "/app/installations/34/access_tokens";
    assert_eq!(hub.post("/app/installations/35/access_tokens", json!({})).await.status(), 404);
    let made = hub.post(path, json!({})).await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    assert_eq!(made["permissions"]["organization_self_hosted_runners"], "write");
    hub.with_token(made["token"].as_str().unwrap());
    assert_eq!(hub.status(RUNNERS).await, 200);
    let text = "Resource not accessible by integration".to_owned();
    assert_eq!(message(hub.get("/user").await).await, (403, text));
    assert_eq!(hub.status("/orgs/other/actions/runners").await, 404);
    hub.github.set_clock_skew(SignedDuration::from_mins(61));
    assert_eq!(message(hub.get(RUNNERS).await).await, (401, "Bad credentials".to_owned()));
    hub.github.set_clock_skew(SignedDuration::ZERO);
    let suspended = Installation { suspended: true, ..app().installations.remove(0) };
    hub.github.set_installation(&suspended);
    assert_eq!(hub.status(RUNNERS).await, 403);
}

#[tokio::test]
async fn the_claims_of_an_app_are_looked_at() {
    let mut hub = Hub::open().await;
    hub.github.add_app(app());
    let ok = json!(12);
    for (issuer, from, to, status, text) in [
        (&ok, -60, 500, 200, ""),
        (&ok, 100, 500, 401, "'Issued at' claim"),
        (&ok, -60, 700, 401, "too far in the future"),
        (&ok, -600, -1, 401, "'Expiration time' claim"),
        (&json!(13), -60, 500, 404, "Integration not found"),
    ] {
        let answer = hub.with_token(&jwt(issuer, from, to)).get("/app").await;
        assert_eq!(answer.status(), status, "{from} {to}");
        assert!(answer.text().await.unwrap().contains(text), "{text}");
    }
    // A clock that is a minute behind takes the usual minute of grace and no more.
    hub.github.set_clock_skew(SignedDuration::from_secs(-90));
    assert_eq!(hub.with_token(&jwt(&ok, -60, 480)).status("/app").await, 401);
    hub.github.set_clock_skew(SignedDuration::from_secs(-30));
    assert_eq!(hub.with_token(&jwt(&ok, -60, 480)).status("/app").await, 200);
}

#[tokio::test]
async fn places_are_what_was_declared() {
    let hub = Hub::open().await;
    hub.github.add_repository(Repository { public: true, ..Repository::new("acme/site") });
    hub.github.add_repository(Repository { runners_disabled: true, ..Repository::new("acme/b") });
    hub.github.add_repository(Repository { actions_disabled: true, ..Repository::new("acme/c") });
    let repositories: Vec<Value> = hub.read("/orgs/acme/repos").await;
    assert_eq!(repositories.len(), 3);
    let site: Value = hub.read("/repos/Acme/Site").await;
    assert_eq!((&site["full_name"], &site["private"]), (&json!("acme/site"), &json!(false)));
    let organization: Value = hub.read("/orgs/acme").await;
    assert_eq!(organization["login"], "acme");
    assert_eq!(hub.status("/orgs/other").await, 404);
    assert_eq!(hub.status("/repos/acme/other/actions/runners").await, 404);
    let (status, text) = message(hub.jit("repos/acme/b", "x", &["x"]).await).await;
    assert_eq!((status, text.contains("Repository level self-hosted")), (403, true));
    let (status, text) = message(hub.jit("repos/acme/c", "x", &["x"]).await).await;
    assert_eq!((status, text.contains("Actions is disabled")), (403, true));
    let group = Group { id: 5, name: "open".into(), allows_public_repositories: true };
    let groups = vec![group];
    hub.github.add_organization(Organization { groups, ..Organization::new("acme") });
    let listed: Value = hub.read("/orgs/acme/actions/runner-groups").await;
    assert_eq!(listed["runner_groups"][0]["id"], 5);
}
