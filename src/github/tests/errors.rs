//! What goes wrong, and what every error tells to do. No error tells a secret.

use std::time::Duration;

use serde_json::json;

use super::support::{KEY, Stage, TIMEOUT, TOKEN, org, repo, says, secret, status};
use crate::github::{Auth, Connection, ConnectionOptions, GitHubErrorKind};
use crate::model::GitHubPath;

const REPO: &str = "POST /repos/acme/web/actions/runners/registration-token";
const ORG: &str = "POST /orgs/acme/actions/runners/registration-token";

/// Asks for a token with this answer; the error, its kind's name and its hint.
async fn refused(
    path: &GitHubPath,
    template: wiremock::ResponseTemplate,
) -> (String, String, String) {
    let stage = Stage::new().await;
    let template = template.insert_header("x-github-request-id", "AB12:34");
    stage.mount(if path.group().is_some() { ORG } else { REPO }, template).await;
    let error = stage.connection.registration_token(path).await.unwrap_err();
    let kind = format!("{:?}", error.kind());
    let kind = kind.split([' ', '(']).next().unwrap().to_owned();
    (kind, error.to_string(), error.hint().unwrap_or_default())
}

#[tokio::test]
async fn every_refusal_has_a_kind_and_says_what_to_do() {
    let cases: [(GitHubPath, u16, &str, &str, &str); 13] = [
        (repo(), 401, "Bad credentials", "BadCredential", "make a new one"),
        (
            repo(),
            403,
            "Resource not accessible by integration",
            "MissingPermission",
            "\"Administration: read and write\"",
        ),
        (
            org(),
            403,
            "Resource not accessible by personal access token",
            "MissingPermission",
            "\"Self-hosted runners: read and write\"",
        ),
        (org(), 403, "Must have admin rights to Organization.", "MissingPermission", "`admin:org`"),
        (repo(), 404, "Not Found", "NotFound", "look at the spelling"),
        (
            repo(),
            403,
            "Resource protected by organization SAML enforcement.",
            "SingleSignOn",
            "Configure SSO",
        ),
        (
            org(),
            403,
            "Although you appear to have the correct authorization credentials, the \
            `acme` organization has an IP allow list enabled",
            "IpAllowList",
            "IP allow list",
        ),
        (
            repo(),
            403,
            "Repository level self-hosted runners are disabled",
            "RunnersDisabled",
            "register at the organisation",
        ),
        (repo(), 403, "GitHub Actions is disabled on this repository", "ActionsDisabled", "switch"),
        (
            org(),
            422,
            "Runner group has reached max limit of 10000 runners",
            "LimitReached",
            "remove runners",
        ),
        (repo(), 422, "Validation failed", "Invalid", ""),
        (repo(), 500, "Server Error", "Server", "githubstatus.com"),
        (repo(), 418, "I'm a teapot", "Unexpected", ""),
    ];
    for (path, code, words, kind, hint) in cases {
        let (found, text, told) = refused(&path, says(code, words)).await;
        assert_eq!(found, kind, "{words}");
        let beginning = format!("could not get a registration token of {path}: ");
        assert!(text.starts_with(&beginning) && text.ends_with("(request AB12:34)"), "{text}");
        assert!(text.contains(words.split(" the `").next().unwrap()), "{text}");
        assert!(told.contains(hint), "{words}: {told}");
    }
}

#[tokio::test]
async fn githubs_words_are_made_harmless() {
    let long = format!("a\u{1b}[31m\n{}", "x".repeat(5000));
    let (_, text, _) = refused(&repo(), says(422, &long)).await;
    assert!(text.len() < 500 && !text.contains(char::is_control), "{text}");
    let more = json!({"message": "Validation failed", "errors": [{"message": "no labels"}, "why"]});
    let (_, text, _) = refused(&repo(), status(422).set_body_json(more)).await;
    assert!(text.contains("Validation failed; no labels; why"), "{text}");
    let (_, text, _) = refused(&repo(), status(403).set_body_string("<html>proxy</html>")).await;
    assert!(text.contains("Forbidden") && !text.contains("html"), "{text}");
}

/// A repository that was renamed: looks are led on, with the credential; the rest is told.
#[tokio::test]
async fn a_repository_that_was_renamed_is_told() {
    let stage = Stage::new().await;
    let moved = |code, rest: &str| {
        status(code).insert_header("location", format!("{}{rest}", stage.server.uri()))
    };
    let jit = "/actions/runners/generate-jitconfig";
    let moved_jit = moved(307, &format!("/repositories/1{jit}"));
    stage.mount(&format!("POST /repos/acme/web{jit}"), moved_jit).await;
    let error =
        stage.connection.jit_config(&repo(), "larm-1", &["x".to_owned()]).await.unwrap_err();
    assert_eq!(error.kind(), &GitHubErrorKind::Moved);
    assert!(error.hint().unwrap().contains("new name"));
    let new = "/repositories/1/actions/runners";
    stage.mount("GET /repos/acme/web/actions/runners", moved(301, new)).await;
    let list = status(200).set_body_json(super::support::runners(&[]));
    let shown = wiremock::matchers::header_exists("authorization");
    let mock = super::support::on(&format!("GET {new}")).and(shown);
    mock.respond_with(list).mount(&stage.server).await;
    assert_eq!(stage.connection.runners(&repo()).await, Ok(vec![]));
}

/// What is not as documented may be a secret in the wrong place.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_shown() {
    let stage = Stage::new().await;
    stage.answer(REPO, 201, json!({"token": {"ASECRET": "ASECRET"}})).await;
    let error = stage.connection.registration_token(&repo()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::Malformed { .. }));
    assert!(!format!("{error} {error:?}").contains("ASECRET"), "{error}");
    stage.server.reset().await;
    stage.mount(REPO, status(201).set_body_string("ASECRET")).await;
    let error = stage.connection.registration_token(&repo()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("ASECRET"), "{error}");
}

fn options(url: &str, auth: Auth) -> ConnectionOptions {
    let url = url.to_owned();
    ConnectionOptions { name: "main".to_owned(), url, api_url: None, auth, timeout: TIMEOUT }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_told() {
    let token = Auth::Token(secret(TOKEN));
    // A name that is reserved for not being there (RFC 6761), and a port where nothing listens.
    for (url, hint) in [("http://ghes.invalid", "DNS"), ("http://127.0.0.1:1", "firewall")] {
        let connection = Connection::new(options(url, token.clone())).unwrap();
        let error = connection.registration_token(&repo()).await.unwrap_err();
        assert!(matches!(error.kind(), GitHubErrorKind::Unreachable { .. }), "{error}");
        assert!(error.is_transient());
        assert!(error.hint().unwrap().contains(hint), "{error}: {:?}", error.hint());
    }
}

#[tokio::test]
async fn options_that_cannot_be_used_are_refused_at_once() {
    let token = || Auth::Token(secret(TOKEN));
    let app = |key: &str| Auth::App { id: "1".to_owned(), key: secret(key), installation: None };
    let cases = [
        options("github.com", token()),
        options("https://github.com", Auth::Token(secret("a\nb"))),
        options("https://github.com", app("-----BEGIN NOTHING-----")),
        options("https://github.com", app("")),
    ];
    for wrong in cases {
        let error = Connection::new(wrong).unwrap_err();
        assert!(matches!(error.kind(), GitHubErrorKind::Options { .. }));
        assert!(error.to_string().contains("connection \"main\""), "{error}");
    }
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let token = options("https://github.com", Auth::Token(secret(TOKEN)));
    let app = Auth::App { id: "1".to_owned(), key: secret(KEY), installation: None };
    let app = options("https://github.com", app);
    let mut shown = Vec::new();
    for options in [token, app] {
        shown.push(format!("{options:?}"));
        shown.push(format!("{:?}", Connection::new(options).unwrap()));
    }
    let stage = Stage::impatient(Duration::from_secs(2)).await;
    let jit = "POST /repos/acme/web/actions/runners/generate-jitconfig";
    let runner = super::support::jit(1, "larm-1");
    stage.once(jit, status(201).set_body_json(runner)).await;
    stage.mount(jit, status(201).set_delay(TIMEOUT)).await;
    let labels = ["x".to_owned()];
    let made = stage.connection.jit_config(&repo(), "larm-1", &labels).await.unwrap();
    shown.push(format!("{made:?}"));
    let error = stage.connection.jit_config(&repo(), "larm-1", &labels).await.unwrap_err();
    shown.push(format!("{error} {error:?} {:?}", error.hint()));
    for text in shown {
        for secret in [TOKEN, "a-jit-secret", "PRIVATE KEY", KEY.lines().nth(1).unwrap()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(error.retry_at(), None);
}
