//! A farm with every service: what its jobs find inside, and which of them may not run.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use larm::http::types::Runner;
use larm::model::{Phase, PostJobStatus};
use larm::smoke::standin::{JobSpec, JobState};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::inside::{self, FARM_TOKEN, ONCE, Proxy};
use crate::larm::Larm;

/// All that could hurt a value on its way.
const NASTY: &str = " it's \"$HOME\" `id` $(id) \\n \\ & | ; * # % é € 🦀\n second line\n\n\tend ";

const PRE_JOB: &str = "#!/bin/sh
[ \"$GITHUB_WORKFLOW\" != unwanted ] || exit 7
echo \"before $GITHUB_REPOSITORY\" > /tmp/pre-job
";
const POST_JOB: &str = "#!/bin/sh
curl -sS --data-binary done http://report.test/post-job
exit 3
";

/// What a job sends through the proxy: a name, and the command whose output it is.
const FACTS: [(&str, &str); 9] = [
    ("nasty", "printf %s \"$NASTY\""),
    ("variables", "env"),
    ("dotenv", "cat /opt/actions-runner/.env"),
    ("daemon", "cat /etc/docker/daemon.json"),
    ("drop-in", "cat /etc/systemd/system/docker.service.d/90-larm-proxy.conf"),
    ("client", "cat ~/.docker/config.json"),
    ("system", "cat /etc/environment"),
    ("pre-job", "cat /tmp/pre-job"),
    ("token", "ls -A /run/larm/policy; grep -rs policy-once-only /run/larm /proc/[0-9]*/environ"),
];

const APT: &str = "mkdir -p /tmp/a/lists/partial /tmp/a/cache/archives/partial
echo 'deb [trusted=yes] http://apt.test/debian stable main' > /tmp/a/sources.list
apt-get -o Dir::Etc::SourceList=/tmp/a/sources.list -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists=/tmp/a/lists -o Dir::Cache=/tmp/a/cache -o Acquire::Retries=0 update || true";

fn configuration(ground: &Ground, proxy: &str, policy: &str, bridge: &str) -> String {
    for (name, text, mode) in [
        ("policy-token", FARM_TOKEN, 0o600),
        ("pre-job", PRE_JOB, 0o644),
        ("post-job", POST_JOB, 0o644),
    ] {
        std::fs::write(ground.path(name), text).unwrap();
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(ground.path(name), mode).unwrap();
    }
    let file = |name: &str| ground.path(name).display().to_string();
    format!(
        "[services]\n\
         dockerhub_mirror = 'https://mirror.test'\n\
         external_contributors = 'refuse'\n\
         [services.proxy]\nhttp = '{proxy}'\nno_proxy = '{bridge}'\n\
         [services.repo_policy]\nurl = '{policy}/policy'\ntoken_file = '{token}'\n\
         [services.environment]\nNASTY = {nasty}\n\
         [services.pre_job]\nscript = '{pre}'\n\
         [services.post_job]\nscript = '{post}'\non_failure = 'ignore'\n\
         [[services.ssh_debug]]\nhost = '10.1.2.3'\nport = 10022\n\
         rsa_fingerprint = 'SHA256:rsa'\ned25519_fingerprint = 'SHA256:ed'\n\
         [[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\nmax = 2\nidle_timeout = '2s'\n",
        token = file("policy-token"),
        pre = file("pre-job"),
        post = file("post-job"),
        nasty = serde_json::to_string(NASTY).unwrap(),
    )
}

fn job(name: &str, event: &str) -> JobSpec {
    JobSpec {
        repository: "acme/web".to_owned(),
        event: event.to_owned(),
        ..JobSpec::new(name, &["small"], Duration::ZERO)
    }
}

/// A pull request of somebody whom the repository does not know.
fn pull_request(name: &str, from: &str) -> JobSpec {
    let payload = json!({
        "repository": {"full_name": "acme/web", "private": false},
        "pull_request": {
            "author_association": "FIRST_TIME_CONTRIBUTOR",
            "head": {"sha": "0123abc", "repo": {"full_name": from}},
            "base": {"repo": {"full_name": "acme/web"}},
        },
    });
    JobSpec {
        payload: payload.to_string(),
        refs: Some(("main".to_owned(), "idea".to_owned())),
        ..job(name, "pull_request")
    }
}

fn explorer() -> JobSpec {
    let report = |(name, command): (&str, &str)| {
        format!("{{ {command}; }} 2>&1 | curl -sS --data-binary @- http://report.test/{name}")
    };
    let steps = FACTS.into_iter().map(report).chain([APT.to_owned()]).collect();
    JobSpec { steps, ..job("explore", "push") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_get_the_services_and_only_those_that_may_run_do() {
    let Some(ground) = Ground::open_alone().await else { return };
    let bridge = inside::bridge(&ground).await;
    let (proxy, policy) = (Proxy::start(bridge).await, inside::policy(bridge).await);
    let more = configuration(&ground, &proxy.url(), &policy.uri(), &bridge.to_string());
    ground.configure("1s", &more);
    let larm = Larm::start(&ground).await;
    let jobs = [
        explorer(),
        pull_request("outsider", "eve/web"),
        pull_request("unprotected", "acme/web"),
        JobSpec { workflow: "unwanted".to_owned(), ..job("unwanted", "push") },
    ];
    let steps = |spec: JobSpec| match spec.steps.as_slice() {
        [] => JobSpec { steps: vec![format!("curl -sS http://ran.test/{}", spec.name)], ..spec },
        _ => spec,
    };
    let ids: Vec<u64> = jobs.map(|spec| ground.github.queue_job(steps(spec))).to_vec();
    ground.all_finished().await;
    let states: Vec<JobState> = ids.iter().map(|id| state(&ground, *id)).collect();
    let urls = proxy.urls().await;
    let expected = [JobState::Succeeded, JobState::Failed, JobState::Failed, JobState::Failed];
    assert_eq!(states, expected, "{urls:#?}");
    assert!(!urls.iter().any(|url| url.contains("ran.test")), "{urls:?}");
    ground.nothing_is_left().await;

    expect_facts(&proxy).await;
    expect_variables(&proxy).await;
    expect_docker(&proxy).await;
    expect_refusals(&ground, &larm, &ids).await;
    expect_token_nowhere(&ground, &larm);
    expect_standbys_rolled(&ground, &larm, &more).await;
    larm.stop();
}

/// Other services are for the guests that come after: a standby with the old ones is replaced.
async fn expect_standbys_rolled(ground: &Ground, larm: &Larm, more: &str) {
    let standby = async || {
        let live = larm.live().await;
        live.into_iter().find(|one| one.phase == Phase::Standby).map(|one| one.name.to_string())
    };
    let digest = async |name: &str| {
        let instance = ground.client.instance(name).await.unwrap().unwrap();
        instance.config["user.larm.guest"].clone()
    };
    let reload = |more: &str| {
        ground.configure("1s", more);
        let output = larm.run(&["reload"]);
        assert!(output.status.success(), "{output:?}");
    };
    reload(&format!("{more}standby = 1\n"));
    ground.until("there is a standby", async || standby().await.is_some()).await;
    let old = standby().await.unwrap();
    let old_digest = digest(&old).await;
    reload(&format!("{more}standby = 1\n").replace("NASTY = ", "OTHER = "));
    let replaced = async || standby().await.is_some_and(|name| name != old);
    ground.until("the standby is replaced", replaced).await;
    assert_ne!(digest(&standby().await.unwrap()).await, old_digest);
}

fn state(ground: &Ground, id: u64) -> JobState {
    ground.github.jobs().into_iter().find(|job| job.id == id).unwrap().state
}

/// What a job has told under this name.
async fn fact(proxy: &Proxy, name: &str) -> String {
    let told = proxy.told(&format!("http://report.test/{name}")).await;
    told.unwrap_or_else(|| panic!("no job told {name}"))
}

async fn expect_variables(proxy: &Proxy) {
    assert_eq!(fact(proxy, "nasty").await, NASTY);
    let variables = fact(proxy, "variables").await;
    let http_proxy = format!("http_proxy={}", proxy.url());
    let wanted = [
        "TMATE_SERVER_HOST=10.1.2.3",
        "TMATE_SERVER_PORT=10022",
        "TMATE_SERVER_RSA_FINGERPRINT=SHA256:rsa",
        "TMATE_SERVER_ED25519_FINGERPRINT=SHA256:ed",
        "DOCKERHUB_MIRROR=https://mirror.test",
        "CONTAINER_REGISTRY_URL=https://mirror.test",
        &http_proxy,
        "LANG=C.UTF-8",
    ];
    let is_there = |line: &&str| variables.lines().any(|one| one == *line);
    let missing: Vec<_> = wanted.into_iter().filter(|line| !is_there(line)).collect();
    assert!(missing.is_empty(), "{missing:?}: {variables}");
    let no_proxy = variables.lines().find(|line| line.starts_with("NO_PROXY=")).unwrap();
    // With its own name.
    let whole = [",localhost,", ",tfarm-"].iter().all(|part| no_proxy.contains(part));
    assert!(whole && no_proxy.ends_with(",.svc"), "{no_proxy}");
    let dotenv = fact(proxy, "dotenv").await;
    assert!(dotenv.contains("DOCKERHUB_MIRROR=https://mirror.test\n"), "{dotenv}");
    assert!(!dotenv.contains("second line"), "{dotenv}");
}

async fn expect_docker(proxy: &Proxy) {
    let daemon: Value = serde_json::from_str(&fact(proxy, "daemon").await).unwrap();
    assert_eq!(daemon, json!({"registry-mirrors": ["https://mirror.test"]}));
    let drop_in = fact(proxy, "drop-in").await;
    assert!(drop_in.contains(&format!("http_proxy={}\"", proxy.url())), "{drop_in}");
    let client: Value = serde_json::from_str(&fact(proxy, "client").await).unwrap();
    assert_eq!(client["proxies"]["default"]["httpProxy"], proxy.url());
}

async fn expect_facts(proxy: &Proxy) {
    let system = fact(proxy, "system").await;
    assert!(system.contains(&format!("http_proxy=\"{}\"\n", proxy.url())), "{system}");
    assert_eq!(fact(proxy, "pre-job").await, "before acme/web\n");
    assert_eq!(fact(proxy, "token").await, "", "the policy token outlived its use");
    assert_eq!(fact(proxy, "post-job").await, "done");
    let urls = proxy.urls().await;
    let apt = urls.iter().any(|url| url.starts_with("http://apt.test/debian/dists/stable/"));
    assert!(apt, "{urls:?}");
}

async fn expect_refusals(ground: &Ground, larm: &Larm, ids: &[u64]) {
    let of_jobs = ground.runners_of_jobs();
    let runners = larm.runners().await;
    let ended = |id: &u64| {
        let is = |one: &&Runner| one.name.to_string() == of_jobs[id];
        let post_job = runners.iter().find(is).unwrap().metrics.post_job.clone().unwrap();
        (post_job.status, post_job.status_info.map(|info| info.code))
    };
    let found: Vec<_> = ids.iter().map(ended).collect();
    let expected = [
        (PostJobStatus::Normal, None),
        (PostJobStatus::ExternalContributorCheckFailure, None),
        (PostJobStatus::RepoPolicyCheckFailure, Some(403)),
        (PostJobStatus::Normal, None),
    ];
    assert_eq!(found, expected);
    let said = larm.run(&["runner", "show", &of_jobs[&ids[1]]]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("a pull request from outside the repository"), "{said}");
}

/// Neither token is in anything that larm has written.
fn expect_token_nowhere(ground: &Ground, larm: &Larm) {
    let shown = larm.run(&["config", "show"]);
    let events = larm.run(&["events", "--json"]);
    let kept = std::process::Command::new("grep")
        .args(["-rlF", "-e", FARM_TOKEN, "-e", ONCE])
        .arg(ground.directory.path())
        .output()
        .unwrap();
    let kept = String::from_utf8(kept.stdout).unwrap();
    assert_eq!(kept.trim(), ground.path("policy-token").display().to_string());
    for output in [shown, events] {
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(FARM_TOKEN) && !text.contains(ONCE), "{text}");
    }
}
