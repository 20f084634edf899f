//! The check of a credential and a target: every account, every closed door.

use larm::github::{Auth, CredentialKind, Outcome, Report};
use larm::model::GitHubPath;
use larm::smoke::standin::{Account, AccountKind, Group, Organization, Repository, Scope};

use super::{connect, org, repo};
use crate::Hub;
use crate::access::{classic, permissions};

/// A GitHub with an organisation and its repositories, open and closed.
async fn open() -> Hub {
    let hub = Hub::open().await;
    let group = |id: u64, name: &str, open| Group {
        id,
        name: name.to_owned(),
        allows_public_repositories: open,
    };
    let groups = vec![group(1, "Default", true), group(5, "closed", false)];
    hub.github.add_organization(Organization { groups, ..Organization::new("acme") });
    hub.github
        .add_organization(Organization { actions_disabled: true, ..Organization::new("off") });
    for name in ["acme/site", "acme/b", "acme/c"] {
        let mut repository = Repository::new(name);
        repository.runners_disabled = name == "acme/b";
        repository.actions_disabled = name == "acme/c";
        hub.github.add_repository(repository);
    }
    hub
}

async fn check(hub: &Hub, token: &str, path: &GitHubPath) -> Report {
    connect(hub, Auth::Token(token.into())).check(path).await.unwrap()
}

fn fine_grained(token: &str, granted: &[(&str, &str)], targets: Option<Vec<Scope>>) -> Account {
    let kind = AccountKind::FineGrained { permissions: permissions(granted) };
    Account { login: token.to_owned(), token: token.into(), kind, targets }
}

/// The last finding, which is where looking ended.
#[track_caller]
fn ends(report: &Report, subject: &str, outcome: Outcome, hint: &str) {
    let last = report.findings.last().unwrap();
    assert_eq!((last.subject, last.outcome), (subject, outcome), "{report:?}");
    assert!(last.hint.as_deref().unwrap_or_default().contains(hint), "{last:?}");
}

#[tokio::test]
async fn good_credentials_of_every_kind_are_good() {
    let hub = open().await;
    hub.github.add_account(classic("ghp_good", &["admin:org", "repo"]));
    let granted = [
        ("organization_self_hosted_runners", "write"),
        ("administration", "write"),
        ("actions", "read"),
    ];
    hub.github.add_account(fine_grained("github_pat_good", &granted, None));
    let scopes = vec!["admin:org".to_owned(), "repo".to_owned()];
    for (token, kind) in [
        ("ghp_good", CredentialKind::Classic { scopes }),
        ("github_pat_good", CredentialKind::FineGrained),
    ] {
        for path in [org(), repo()] {
            let report = check(&hub, token, &path).await;
            assert_eq!(report.credential, kind);
            assert_eq!(report.outcome(), Outcome::Good, "{report:?}");
            ends(&report, "polling", Outcome::Good, "");
        }
    }
    assert!(hub.github.runners().is_empty(), "nothing was changed");
}

#[tokio::test]
async fn a_wrong_token_and_a_wrong_target_are_told() {
    let hub = open().await;
    hub.github.add_account(classic("ghp_good", &["admin:org", "repo"]));
    let report = check(&hub, "ghp_bad", &repo()).await;
    ends(&report, "credential", Outcome::Bad, "expired or revoked");
    assert!(!format!("{report:?}").contains("ghp_bad"));
    for wrong in ["acme/nowhere", "nobody"] {
        let report = check(&hub, "ghp_good", &wrong.parse().unwrap()).await;
        ends(&report, "target", Outcome::Bad, "spelling");
    }
}

#[tokio::test]
async fn what_a_token_may_not_do_is_named() {
    let hub = open().await;
    hub.github.add_account(Account { login: "weak".into(), ..classic("ghp_weak", &["gist"]) });
    let reads = [("administration", "read"), ("actions", "read")];
    hub.github.add_account(fine_grained("github_pat_reads", &reads, None));
    let writes = [("administration", "write")];
    hub.github.add_account(fine_grained("github_pat_blind", &writes, None));
    let elsewhere = Some(vec![Scope::Repository("acme/b".to_owned())]);
    hub.github.add_account(fine_grained("github_pat_elsewhere", &writes, elsewhere));
    let report = check(&hub, "ghp_weak", &org()).await;
    assert_eq!(report.findings[0].outcome, Outcome::Warning);
    ends(&report, "runners", Outcome::Bad, "`admin:org`");
    let report = check(&hub, "ghp_weak", &repo()).await;
    ends(&report, "runners", Outcome::Bad, "`repo`");
    // Who may list runners may not make them yet.
    let report = check(&hub, "github_pat_reads", &repo()).await;
    ends(&report, "runners", Outcome::Bad, "Administration: read and write");
    let report = check(&hub, "github_pat_blind", &repo()).await;
    ends(&report, "polling", Outcome::Warning, "Actions: read");
    let report = check(&hub, "github_pat_elsewhere", &repo()).await;
    ends(&report, "target", Outcome::Bad, "whether the credential can see it");
}

#[tokio::test]
async fn closed_doors_are_found() {
    let hub = open().await;
    hub.github.add_account(classic("ghp_good", &["admin:org", "repo"]));
    let at = async |path: &str| check(&hub, "ghp_good", &path.parse().unwrap()).await;
    ends(&at("acme/b").await, "runners", Outcome::Bad, "allow runners of repositories");
    ends(&at("acme/c").await, "runners", Outcome::Bad, "switch GitHub Actions on");
    ends(&at("off").await, "runners", Outcome::Bad, "switch GitHub Actions on");
    let closed = check(&hub, "ghp_good", &org().with_group("closed")).await;
    assert_eq!(closed.outcome(), Outcome::Warning);
    let found = closed.findings.iter().find(|one| one.subject == "runner group").unwrap();
    assert!(found.hint.as_ref().unwrap().contains("public repositories"), "{found:?}");
    let none = check(&hub, "ghp_good", &org().with_group("nowhere")).await;
    assert_eq!(none.outcome(), Outcome::Bad);
    let found = none.findings.iter().find(|one| one.subject == "runner group").unwrap();
    assert!(found.hint.as_ref().unwrap().contains("make the runner group"), "{found:?}");
}
