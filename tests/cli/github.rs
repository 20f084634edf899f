//! What the commands say of GitHub: the stand-in, with good and bad tokens, targets and groups.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use insta::assert_snapshot;
use larm::smoke::standin::{
    Account, AccountKind, Group, JobSpec, Organization, Repository, StandIn,
};
use rustix::process::Signal;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::daemon::Daemon;
use crate::run::Place;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A place with tokens, and a GitHub that knows some of them.
struct Hub {
    github: StandIn,
    place: Place,
}

impl Hub {
    /// `acme/web` and `acme/api` are there. `good` may do all, `weak` may do nothing, `wrong` is
    /// no token.
    async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let github = StandIn::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = github.clone();
        TaskTracker::new().spawn(async move { server.serve(listener).await.unwrap() });
        github.add_repository(Repository::new("acme/web"));
        github.add_repository(Repository::new("acme/api"));
        github.add_account(classic("ghp_good", &["repo", "admin:org"]));
        github.add_account(classic("ghp_weak", &["gist"]));
        let place = Place::new();
        for name in ["good", "weak", "wrong"] {
            let file = place.path(name);
            fs::write(&file, format!("ghp_{name}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { github, place }
    }

    /// Runs `larm init`; its output without the port.
    fn init(&self, target: &str, token: &str) -> String {
        let told = self.place.run(&[
            "--config",
            "etc/larm.toml",
            "init",
            "--github",
            target,
            "--token-file",
            token,
            "--url",
            self.github.url(),
        ]);
        told.replace(self.github.url(), "[GITHUB]")
    }

    fn nothing_was_written(&self) -> bool {
        fs::read_dir(self.place.path("etc")).unwrap().count() == 0
    }

    /// Two connections with a pool each, of which only one has a good token.
    fn configure(&self, more: &str) {
        let connection = |header: &str, token: &str| {
            format!(
                "[{header}]\nurl = '{}'\ntoken_file = '{}'\npoll = '1s'\n",
                self.github.url(),
                self.place.path(token).display(),
            )
        };
        let config = format!(
            "name_prefix = 'clitest'\nstate_dir = '{}'\n{}{}\
             [[pool]]\nname = 'web'\ngithub = 'acme/web'\n\
             [[pool]]\nname = 'api'\ngithub = 'acme/api'\nconnection = 'broken'\nlabels = ['big']\n{more}",
            self.place.path("state").display(),
            connection("github", "good"),
            connection("connection.broken", "wrong"),
        );
        fs::write(self.place.path("larm.toml"), config).unwrap();
    }

    /// What a command prints with `--json`, once it is as wanted.
    async fn json_once(&self, arguments: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let output = self.place.command(arguments).arg("--json").output().unwrap();
            let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if is_so(&told) {
                return told;
            }
            assert!(Instant::now() < end, "{arguments:?}: {told}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn classic(token: &str, scopes: &[&str]) -> Account {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let kind = AccountKind::Classic { scopes };
    Account { login: token.to_owned(), token: token.into(), kind, targets: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_token_is_told_and_written() {
    let hub = Hub::open().await;
    assert_snapshot!(hub.init("acme/web", "good"), @"
    exit: 0
    ----- stdout
    the configuration is in [DIR]/etc/larm.toml
    ----- stderr
    ok    credential: a classic token with the scopes repo, admin:org
    ok    target: acme/web is there
    ok    runners: the credential may list and register runners
    ok    polling: the runs of acme/web can be read
    next: `larm doctor` checks this machine, `larm serve` starts the farm
    ");
    assert!(hub.place.path("etc/larm.toml").is_file());
}

/// The token is in no file yet when GitHub is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_a_pipe_is_tried_before_it_is_written() {
    let hub = Hub::open().await;
    let flags = ["--config", "etc/larm.toml", "init", "--github", "acme/web", "--token-file", "-"];
    let flags = [&flags[..], &["--url", hub.github.url()]].concat();
    let told = hub.place.run_with_input(&flags, "ghp_wrong\n");
    assert!(told.starts_with("exit: 1\n") && !told.contains("ghp_wrong"), "{told}");
    assert!(hub.nothing_was_written());
    let told = hub.place.run_with_input(&flags, "ghp_good\n");
    assert!(told.starts_with("exit: 0\n"), "{told}");
    assert_eq!(fs::read_to_string(hub.place.path("etc/token")).unwrap(), "ghp_good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_writes_nothing() {
    let hub = Hub::open().await;
    assert_snapshot!(hub.init("acme/web", "wrong"), @"
    exit: 1
    ----- stdout
    ----- stderr
    error: acme/web does not work at GitHub: credential: could not try the credential of acme/web: GitHub does not accept the credential: Bad credentials

    hint: the token is wrong, expired or revoked, or for an App the key is not the App's or this host's clock is off by minutes: make a new one and put it into its file; nothing was written: `larm init --no-check` does not ask GitHub
    ");
    assert!(hub.nothing_was_written());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_permission_writes_nothing() {
    let hub = Hub::open().await;
    assert_snapshot!(hub.init("acme/web", "weak"), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    warn  credential: a classic token with the scopes gist
          -> give the credential the repository permission "Administration: read and write" (fine-grained token or App) or the scope `repo` (classic token of an admin)
    ok    target: acme/web is there
    error: acme/web does not work at GitHub: runners: could not list the runners of acme/web: the credential may not do this: Resource not accessible by personal access token

    hint: give the credential the repository permission "Administration: read and write" (fine-grained token or App) or the scope `repo` (classic token of an admin); nothing was written: `larm init --no-check` does not ask GitHub
    "#);
    assert!(hub.nothing_was_written());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_target_writes_nothing() {
    let hub = Hub::open().await;
    assert_snapshot!(hub.init("acme/nope", "good"), @"
    exit: 1
    ----- stdout
    ----- stderr
    ok    credential: a classic token with the scopes repo, admin:org
    error: acme/nope does not work at GitHub: target: could not look at the target of acme/nope: GitHub does not find it: Not Found

    hint: look at the spelling, and whether the credential can see it; nothing was written: `larm init --no-check` does not ask GitHub
    ");
    assert!(hub.nothing_was_written());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_closed_to_public_repositories_is_told() {
    let hub = Hub::open().await;
    let group = Group { id: 1, name: "Default".to_owned(), allows_public_repositories: false };
    hub.github.add_organization(Organization { groups: vec![group], ..Organization::new("acme") });
    assert_snapshot!(hub.init("acme", "good"), @r#"
    exit: 0
    ----- stdout
    the configuration is in [DIR]/etc/larm.toml
    ----- stderr
    ok    credential: a classic token with the scopes repo, admin:org
    ok    target: acme is there
    ok    runners: the credential may list and register runners
    warn  runner group: the runner group "Default" is closed to public repositories
          -> jobs of public repositories will wait for ever: allow them in the organisation's settings, "Actions", "Runner groups", if they are wanted
    ok    polling: the runs of acme/api can be read
    next: `larm doctor` checks this machine, `larm serve` starts the farm
    "#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_github_that_is_away_writes_nothing_unless_it_need_not_be_asked() {
    let hub = Hub::open().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let away = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let flags = ["--config", "etc/larm.toml", "init", "--github=acme/web", "--token-file=good"];
    let flags = [&flags[..], &["--url", &away]].concat();
    let told = hub.place.run(&flags);
    assert!(told.starts_with("exit: 5\n") && told.contains("--no-check"), "{told}");
    assert!(hub.nothing_was_written());
    let told = hub.place.run(&[&flags[..], &["--no-check"]].concat());
    assert!(told.starts_with("exit: 0\n"), "{told}");
}

/// A wrong token of one connection stops nothing of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_is_broken_and_the_other_goes_on() {
    let hub = Hub::open().await;
    hub.configure("");
    let _daemon = Daemon::start(&hub.place);
    let job = JobSpec::new("build", &["self-hosted", "linux"], Duration::ZERO);
    let id = hub.github.queue_job(JobSpec { repository: "acme/web".to_owned(), ..job });
    hub.json_once(&["job", "list"], |jobs| {
        jobs.as_array().is_some_and(|jobs| jobs.iter().any(|job| job["id"] == id))
    })
    .await;
    hub.json_once(&["pool", "list"], |pools| {
        let troubles = pools["troubles"].as_array();
        troubles.is_some_and(|all| all.iter().any(|one| one.as_str().unwrap().contains("broken")))
            && pools["pools"][0]["queued"] == 1
    })
    .await;
    let list = hub.place.run(&["pool", "list"]);
    let (table, warnings) = list.split_once("----- stderr\n").unwrap();
    assert!(table.contains("\nweb   acme/web  self-hosted,linux,"), "{list}");
    let about_the_token =
        "GitHub does not accept the credential: Bad credentials (the token is wrong";
    for warning in warnings.lines() {
        assert!(warning.starts_with("warning: broken: could not list the "), "{list}");
        assert!(warning.contains(about_the_token), "{list}");
    }
    let doctor = hub.place.run(&["doctor"]).replace(hub.github.url(), "[GITHUB]");
    let lines: Vec<&str> = doctor.lines().skip_while(|line| !line.contains("github")).collect();
    let until = lines.iter().position(|line| line.contains(" daemon ")).unwrap();
    assert_snapshot!(lines.get(..until).unwrap().join("\n"), @"
    ok    github             acme/web: credential: a classic token with the scopes repo, admin:org
    ok    github             acme/web: target: acme/web is there
    ok    github             acme/web: runners: the credential may list and register runners
    ok    github             acme/web: polling: the runs of acme/web can be read
    FAIL  github             acme/api by broken: credential: could not try the credential of acme/api: GitHub does not accept the credential: Bad credentials
                             -> the token is wrong, expired or revoked, or for an App the key is not the App's or this host's clock is off by minutes: make a new one and put it into its file
    ");
    let told = hub.place.run(&["job", "show", &id.to_string()]);
    assert!(told.contains("\nstate       queued\n") && told.contains("acme/web"), "{told}");
    let why = hub.place.run(&["why", &id.to_string()]);
    for part in [
        "exit: 0\n",
        "(build of smoke) in acme/web, labels self-hosted, linux\n  queued ",
        "\n  * found by a look at GitHub's queue, ",
        "\nwhat happened:\n  2",
        "Z  heard of by poll, ",
    ] {
        assert!(why.contains(part), "{part:?} is not in {why}");
    }
    fs::write(hub.place.path("wrong"), "ghp_good\n").unwrap();
    assert!(hub.place.run(&["reload"]).starts_with("exit: 0\n"), "a new token is taken");
    hub.json_once(&["pool", "list"], |pools| {
        let troubles = pools["troubles"].as_array();
        troubles.is_some_and(|all| all.iter().all(|one| !one.to_string().contains("workflow runs")))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_tells_what_it_changed_and_a_wrong_one_changes_nothing() {
    let hub = Hub::open().await;
    hub.configure("");
    let daemon = Daemon::start(&hub.place);
    let lines = fs::read_to_string(hub.place.path("larm.toml")).unwrap().lines().count();
    hub.configure("[[pool]]\nname = 'late'\ngithub = 'acme/web'\nmin_idle = 9\n");
    let wrong = hub.place.run(&["reload"]);
    assert!(wrong.starts_with("exit: 4\n") && wrong.contains("`max` is only 4"), "{wrong}");
    assert!(wrong.contains(&format!("[DIR]/larm.toml:{}: ", lines + 4)), "{wrong}");
    let names = |pools: &Value| -> Vec<String> {
        let pools = pools["pools"].as_array().unwrap();
        pools.iter().map(|pool| pool["name"].as_str().unwrap().to_owned()).collect()
    };
    let pools = hub.json_once(&["pool", "list"], |pools| pools["pools"].is_array()).await;
    assert_eq!(names(&pools), ["web", "api"]);
    hub.configure(
        "max = 9\n[[pool]]\nname = 'late'\ngithub = 'acme/web'\n[limits]\njournal = 5000\n",
    );
    assert_snapshot!(hub.place.run(&["reload"]), @r"
    exit: 0
    ----- stdout
    the configuration was read again
    pools added: late
    pools changed: api
    ----- stderr
    warning: these keys are taken only by a restart: limits.journal
    ");
    hub.json_once(&["pool", "list"], |pools| names(pools) == ["web", "api", "late"]).await;
    let shown = hub.place.run(&["pool", "show", "late"]);
    for line in
        ["name         late", "target       acme/web, by connection github", "max          4"]
    {
        assert!(shown.lines().any(|one| one == line), "{line:?} is not in {shown}");
    }
    assert_snapshot!(hub.place.run(&["reload"]), @r"
    exit: 0
    ----- stdout
    the configuration was read again
    no pool has changed
    ----- stderr
    ");
    hub.configure("");
    daemon.signal(Signal::HUP);
    hub.json_once(&["pool", "list"], |pools| names(pools) == ["web", "api"]).await;
}

#[test]
fn without_a_daemon_or_pools_it_is_told_what_to_do() {
    let place = Place::new();
    for arguments in [&["pool", "list"][..], &["job", "list"], &["reload"], &["why", "1"]] {
        let told = place.run(arguments);
        assert!(told.starts_with("exit: 5\n") && told.contains("`larm serve`"), "{told}");
    }
    let state = place.path("state");
    let config = format!("name_prefix = 'clitest'\nstate_dir = '{}'\n", state.display());
    fs::write(place.path("larm.toml"), config).unwrap();
    let _daemon = Daemon::start(&place);
    assert_snapshot!(place.run(&["pool", "list"]), @r"
    exit: 0
    ----- stdout
    NAME  TARGET  LABELS  BUSY  LISTENING  REGISTERING  FREE  COMING  MAX  QUEUED
    ----- stderr
    there are no pools: `larm init` writes a first one
    ");
    assert_snapshot!(place.run(&["pool", "show", "small"]), @r#"
    exit: 3
    ----- stdout
    ----- stderr
    error: there is no pool "small"

    hint: `larm pool list` shows the pools there are
    "#);
    assert_snapshot!(place.run(&["why", "7"]), @r"
    exit: 3
    ----- stdout
    ----- stderr
    error: nobody has told of a job or runner 7

    hint: `larm job list --all` shows the jobs that larm has heard of
    ");
    assert_eq!(place.run(&["job", "list", "--json"]), "exit: 0\n----- stdout\n[]\n----- stderr\n");
}

#[test]
fn kept_runner_applications_are_listed() {
    let place = Place::with_config("");
    let state = place.path("state");
    fs::write(place.path("larm.toml"), format!("state_dir = '{}'\n", state.display())).unwrap();
    assert_snapshot!(place.run(&["application", "list"]), @r"
    exit: 0
    ----- stdout
    VERSION  SIZE  PATH
    ----- stderr
    none is kept: `larm serve` fetches it where a pool needs it
    ");
    fs::create_dir_all(state.join("application")).unwrap();
    let name = format!("2.338.1-{}.archive", "a".repeat(64));
    fs::write(state.join("application").join(name), vec![0; 3 << 20]).unwrap();
    let told = place.run(&["application", "list"]);
    assert!(told.contains("\n2.338.1  3 MiB  [DIR]/state/application/2.338.1-aaa"), "{told}");
}
