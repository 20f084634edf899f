//! Registering, listing and removing runners.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use wiremock::matchers::query_param;

use super::support::{Stage, groups, jit, on, org, repo, runner, runners, says, status};
use crate::github::{Deletion, GitHubErrorKind};

const JIT: &str = "POST /repos/acme/web/actions/runners/generate-jitconfig";
const LIST: &str = "GET /repos/acme/web/actions/runners";

fn labels() -> Vec<String> {
    ["self-hosted", "small"].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_runner_of_a_repository_is_made_with_one_request() {
    let stage = Stage::new().await;
    stage.answer(JIT, 201, jit(42, "larm-1")).await;
    let made = stage.connection.jit_config(&repo(), "larm-1", &labels()).await.unwrap();
    assert_eq!((made.id, made.config.expose_secret()), (42, "a-jit-secret"));
    let requests = stage.requests().await;
    assert_eq!(requests.len(), 1);
    let sent: Value = serde_json::from_slice(&requests[0].body).unwrap();
    let wanted = json!({"name": "larm-1", "runner_group_id": 1, "work_folder": "_work",
                        "labels": ["self-hosted", "small"]});
    assert_eq!(sent, wanted);
    let header = |name: &str| requests[0].headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(header("x-github-api-version"), "2022-11-28");
    assert_eq!(header("user-agent"), concat!("larm/", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("accept"), "application/vnd.github+json");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("authorization"), "Bearer ghp_a-token-nobody-may-see");
}

#[tokio::test]
async fn the_number_of_a_runner_group_is_looked_up_once() {
    let stage = Stage::new().await;
    stage.answer("GET /orgs/acme/actions/runner-groups", 200, groups()).await;
    let post = "POST /orgs/acme/actions/runners/generate-jitconfig";
    stage.answer(post, 201, jit(42, "larm-1")).await;
    for path in [org(), org(), org().with_group("closed")] {
        stage.connection.jit_config(&path, "larm-1", &labels()).await.unwrap();
    }
    assert_eq!(stage.count("GET").await, 2, "once per group");
    let requests = stage.requests().await;
    let group = |body: &[u8]| {
        serde_json::from_slice::<Value>(body).ok().map(|body| body["runner_group_id"].clone())
    };
    let sent: Vec<_> = requests.iter().filter_map(|request| group(&request.body)).collect();
    assert_eq!(sent, [json!(3), json!(3), json!(8)]);
    let path = org().with_group("nowhere");
    let error = stage.connection.jit_config(&path, "larm-1", &labels()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::NoGroup { group } if group == "nowhere"));
    assert!(error.hint().unwrap().contains("Runner groups"));
}

/// The group was removed and made anew: its number is looked up again at the next try.
#[tokio::test]
async fn a_runner_group_that_has_another_number_now_is_looked_up_again() {
    let stage = Stage::new().await;
    stage.answer("GET /orgs/acme/actions/runner-groups", 200, groups()).await;
    let post = "POST /orgs/acme/actions/runners/generate-jitconfig";
    stage.once(post, says(404, "Not Found")).await;
    stage.answer(post, 201, jit(42, "larm-1")).await;
    let error = stage.connection.jit_config(&org(), "larm-1", &labels()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::NotFound { .. }));
    stage.connection.jit_config(&org(), "larm-1", &labels()).await.unwrap();
    assert_eq!(stage.count("GET").await, 2);
}

/// The POST did its work, its answer was lost: what it left is removed before the next POST.
#[tokio::test]
async fn a_request_whose_answer_was_lost_is_not_repeated_blindly() {
    for lost in [status(502), status(201).set_delay(Duration::from_secs(5))] {
        let stage = Stage::impatient(Duration::from_secs(2)).await;
        stage.once(JIT, lost).await;
        stage.answer(JIT, 201, jit(43, "larm-1")).await;
        stage.answer(LIST, 200, runners(&[runner(42, "larm-1", "offline", false)])).await;
        stage.mount("DELETE /repos/acme/web/actions/runners/42", status(204)).await;
        let made = stage.connection.jit_config(&repo(), "larm-1", &labels()).await.unwrap();
        assert_eq!(made.id, 43);
        let asked = stage.asked().await;
        assert_eq!(
            asked,
            [
                JIT,
                "GET /repos/acme/web/actions/runners?name=larm-1&per_page=100",
                "DELETE /repos/acme/web/actions/runners/42",
                JIT,
            ]
        );
    }
}

#[tokio::test]
async fn a_lost_request_that_left_nothing_or_a_runner_in_use_is_an_error() {
    let online = runner(42, "larm-1", "online", false);
    let busy = runner(42, "larm-1", "offline", true);
    for left in [vec![], vec![online], vec![busy], vec![runner(9, "other", "offline", false)]] {
        let stage = Stage::new().await;
        stage.mount(JIT, status(502)).await;
        stage.answer(LIST, 200, runners(&left)).await;
        let error = stage.connection.jit_config(&repo(), "larm-1", &labels()).await.unwrap_err();
        assert!(matches!(error.kind(), GitHubErrorKind::Server { status: 502, .. }));
        assert!(error.is_transient());
        assert_eq!(stage.count("POST").await, 1);
        assert_eq!(stage.count("DELETE").await, 0);
    }
}

#[tokio::test]
async fn a_name_that_an_earlier_try_took_is_freed_first() {
    let stage = Stage::new().await;
    stage.once(JIT, says(409, "Already exists - A runner with the name larm-1")).await;
    stage.answer(JIT, 201, jit(43, "larm-1")).await;
    stage.answer(LIST, 200, runners(&[runner(42, "larm-1", "offline", false)])).await;
    stage.mount("DELETE /repos/acme/web/actions/runners/42", status(204)).await;
    let made = stage.connection.jit_config(&repo(), "larm-1", &labels()).await.unwrap();
    assert_eq!(made.id, 43);
}

#[tokio::test]
async fn a_server_without_just_in_time_configurations_is_told_from_a_wrong_target() {
    let stage = Stage::ghes().await;
    stage.answer("GET /api/v3/repos/acme/web/actions/runners", 200, runners(&[])).await;
    let error = stage.connection.jit_config(&repo(), "larm-1", &labels()).await.unwrap_err();
    assert_eq!(error.kind(), &GitHubErrorKind::NoJit);
    assert!(error.hint().unwrap().contains("registration-token"));
    let stage = Stage::ghes().await;
    let error = stage.connection.jit_config(&repo(), "larm-1", &labels()).await.unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::NotFound { .. }));
}

#[tokio::test]
async fn tokens_for_registering_and_removing_are_given() {
    let stage = Stage::new().await;
    let answer = |token: &str| json!({"token": token, "expires_at": "2026-01-02T03:04:05Z"});
    let base = "POST /orgs/acme/actions/runners";
    stage.answer(&format!("{base}/registration-token"), 201, answer("AREG")).await;
    stage.answer(&format!("{base}/remove-token"), 201, answer("AREM")).await;
    let registration = stage.connection.registration_token(&org()).await.unwrap();
    let remove = stage.connection.remove_token(&org()).await.unwrap();
    assert_eq!(registration.expose_secret(), "AREG");
    assert_eq!(remove.expose_secret(), "AREM");
}

/// A server below a path: the base stays, and the credential goes along to every page.
#[tokio::test]
async fn page_two_of_a_server_is_asked_for_by_number_with_the_credential() {
    let stage = Stage::ghes().await;
    let place = "GET /api/v3/repos/acme/web/actions/runners";
    let all: Vec<Value> = (0..150).map(|n| runner(n, &format!("r{n}"), "online", true)).collect();
    for (page, part) in [("1", &all[..100]), ("2", &all[100..])] {
        let body = json!({"total_count": 150, "runners": part});
        let next = r#"<http://elsewhere.example/runners?page=2>; rel="next""#;
        let template = status(200).set_body_json(body).insert_header("link", next);
        let mock = on(place).and(query_param("page", page)).and(query_param("per_page", "100"));
        mock.respond_with(template).mount(&stage.server).await;
    }
    let listed = stage.connection.runners(&repo()).await.unwrap();
    assert_eq!(listed.len(), 150);
    let last = &listed[149];
    assert_eq!((last.id, &*last.name, last.online, last.busy), (149, "r149", true, true));
    assert_eq!(last.labels, ["self-hosted", "small"]);
    assert_eq!(last.version.as_deref(), Some("2.335.1"));
    let requests = stage.requests().await;
    assert_eq!(requests.len(), 2);
    for request in requests {
        let sent = request.headers.get("authorization").unwrap();
        assert_eq!(sent, "Bearer ghp_a-token-nobody-may-see");
    }
}

/// A runner was removed between two pages: the one that was shifted is seen all the same.
#[tokio::test]
async fn a_list_that_shifts_while_it_is_read_is_read_again() {
    let stage = Stage::new().await;
    let all: Vec<Value> = (0..101).map(|n| runner(n, &format!("r{n}"), "online", true)).collect();
    let first =
        |part: &[Value]| status(200).set_body_json(json!({"total_count": 101, "runners": part}));
    let page = |number: &str| on(LIST).and(query_param("page", number));
    page("1").respond_with(first(&all[..100])).mount(&stage.server).await;
    let gone = first(&[]);
    page("2").respond_with(gone).up_to_n_times(1).mount(&stage.server).await;
    page("2").respond_with(first(&all[100..])).mount(&stage.server).await;
    assert_eq!(stage.connection.runners(&repo()).await.unwrap().len(), 101);
    assert_eq!(stage.count("GET").await, 4);
}

#[tokio::test]
async fn one_runner_is_found_by_name_and_by_number() {
    let stage = Stage::new().await;
    // A server that does not know the filter lists all.
    let all = [runner(1, "other", "online", false), runner(2, "larm-1", "offline", false)];
    stage.answer(LIST, 200, runners(&all)).await;
    stage.answer("GET /repos/acme/web/actions/runners/2", 200, all[1].clone()).await;
    let connection = &stage.connection;
    assert_eq!(connection.runner_named(&repo(), "larm-1").await.unwrap().unwrap().id, 2);
    assert_eq!(connection.runner_named(&repo(), "larm-2").await.unwrap(), None);
    assert!(!connection.runner(&repo(), 2).await.unwrap().unwrap().online);
    assert_eq!(connection.runner(&repo(), 3).await.unwrap(), None);
}

#[tokio::test]
async fn a_removal_tells_what_became_of_it() {
    let stage = Stage::new().await;
    let place = |id: u64| format!("DELETE /repos/acme/web/actions/runners/{id}");
    stage.mount(&place(1), status(204)).await;
    let words = "Runner \"larm-1\" is still running a job and cannot be deleted.";
    stage.mount(&place(3), says(422, words)).await;
    stage.mount(&place(4), says(400, "Bad request - Runner is currently running a job")).await;
    stage.mount(&place(5), says(422, "Validation failed")).await;
    let target = repo();
    let delete = |id| stage.connection.delete_runner(&target, id);
    assert_eq!(delete(1).await, Ok(Deletion::Deleted));
    assert_eq!(delete(2).await, Ok(Deletion::NotThere));
    assert_eq!(delete(3).await, Ok(Deletion::Busy));
    assert_eq!(delete(4).await, Ok(Deletion::Busy));
    assert!(matches!(delete(5).await.unwrap_err().kind(), GitHubErrorKind::Invalid { .. }));
}
