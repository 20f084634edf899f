//! The files are run by the programs that guests run them with.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::LONGEST_HOLD;

fn proxied() -> GuestServices {
    GuestServices {
        proxy: Some(ProxyConfig {
            http: Some("http://proxy.example:3128".into()),
            https: Some("http://[fd00::1]:3128/a%20b".into()),
            no_proxy: Some("example.org,10.0.0.0/8".into()),
            ..ProxyConfig::default()
        }),
        dockerhub_mirror: Some("https://mirror.example".into()),
        environment: [("GREETING".to_owned(), "it's $HOME\n".to_owned())].into(),
        ..GuestServices::default()
    }
}

fn content(services: &GuestServices, path: &str) -> Option<Vec<u8>> {
    let file = services.files().into_iter().find(|file| file.path == path)?;
    match file.encoding {
        None => Some(file.content.as_bytes().to_vec()),
        Some(_) => Some(STANDARD.decode(file.content.as_bytes()).unwrap()),
    }
}

/// What a shell has of these variables once it has read the file, as NUL-ended `NAME=VALUE`.
fn environment_in(shell: &str, file: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("environment");
    fs::write(&path, file).unwrap();
    let script = format!("set -u; LC_ALL=C; . {}; exec /usr/bin/env -0", path.display());
    let mut command = Command::new(shell);
    let output = command.args(["-c", &script]).env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn holds(environment: &[u8], name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes())
}

#[test]
fn nothing_is_written_where_nothing_is_wanted() {
    assert_eq!(GuestServices::default().files(), []);
}

#[test]
fn the_shell_gets_proxies_mirror_and_variables() {
    let file = content(&proxied(), paths::ENVIRONMENT).unwrap();
    let environment = environment_in("sh", &file);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let no_proxy = format!("example.org,10.0.0.0/8,localhost,127.0.0.1,::1,{},.svc", host.trim());
    for (name, value) in [
        ("http_proxy", "http://proxy.example:3128"),
        ("HTTPS_PROXY", "http://[fd00::1]:3128/a%20b"),
        ("no_proxy", no_proxy.as_str()),
        ("NO_PROXY", no_proxy.as_str()),
        ("CONTAINER_REGISTRY_URL", "https://mirror.example"),
        ("GREETING", "it's $HOME\n"),
    ] {
        assert!(holds(&environment, name, value), "{name} {environment:?}");
    }
}

#[test]
fn no_program_is_told_of_a_proxy_that_traffic_is_redirected_to() {
    let mut services = proxied();
    services.proxy.as_mut().unwrap().use_aproxy = true;
    services.proxy.as_mut().unwrap().aproxy_ports = vec!["80".into(), "8000-8010".into()];
    services.proxy.as_mut().unwrap().aproxy_exclude = vec!["10.0.0.0/8".into()];
    let file = content(&services, paths::ENVIRONMENT).unwrap();
    assert!(!String::from_utf8(file).unwrap().to_lowercase().contains("proxy"));
    let told = content(&services, paths::APROXY_CONFIG).unwrap();
    assert_eq!(
        String::from_utf8(told).unwrap(),
        "PROXY='proxy.example:3128'\nPROXY_HOST='proxy.example'\nEXCLUDE='10.0.0.0/8'\n\
         PORTS='80, 8000-8010'\n"
    );
    let told: Value =
        serde_json::from_slice(&content(&services, paths::SERVICES_CONFIG).unwrap()).unwrap();
    assert_eq!((&told["http"], &told["https"]), (&Value::Null, &Value::Null));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_value_comes_out_of_the_shell_as_it_went_in(
        value in "\\PC*|[ -~]*|([\\x01-\\x7f€é🦀'\"$`\\\\\n\r\t&])*"
    ) {
        let environment = [("GREETING".to_owned(), value.clone())].into();
        let services = GuestServices { environment, ..GuestServices::default() };
        let file = content(&services, paths::ENVIRONMENT).unwrap();
        prop_assert!(holds(&environment_in("sh", &file), "GREETING", &value));
    }
}

/// Runs `services.py` below a directory, for the user that runs this.
fn set_up(root: &Path, services: &GuestServices) -> Result<(), String> {
    for file in services.files() {
        let path = root.join(file.path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content(services, &file.path).unwrap()).unwrap();
    }
    let program = root.join(paths::SERVICES_PROGRAM.trim_start_matches('/'));
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let mut command = Command::new("python3");
    command.arg("-I").arg(program).arg(format!("{}/", root.display())).arg(user.trim());
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8(output.stderr).unwrap())
}

fn written(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap()
}

/// Where the home of the user that runs this is, below a root.
fn home() -> String {
    let command = "getent passwd \"$(id -u)\" | cut -d: -f6";
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().trim_start_matches('/').to_owned()
}

#[test]
fn the_guest_writes_what_apt_and_docker_and_the_system_read() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (path, text) in [
        (
            "etc/docker/daemon.json",
            r#"{"mtu": 1400, "registry-mirrors": ["https://other.example"]}"#,
        ),
        ("etc/environment", "PATH=\"/bin\"\nhttp_proxy=\"http://old\"\n"),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    set_up(root, &proxied()).unwrap();
    let daemon: Value = serde_json::from_str(&written(root, "etc/docker/daemon.json")).unwrap();
    let mirrors = json!(["https://mirror.example", "https://other.example"]);
    assert_eq!(daemon, json!({"mtu": 1400, "registry-mirrors": mirrors}));
    let drop_in = written(root, "etc/systemd/system/docker.service.d/90-larm-proxy.conf");
    assert!(drop_in.contains("Environment=\"https_proxy=http://[fd00::1]:3128/a%%20b\"\n"));
    let client = written(root, &format!("{}/.docker/config.json", home()));
    let client: Value = serde_json::from_str(&client).unwrap();
    let default = &client["proxies"]["default"];
    assert_eq!(default["httpProxy"], "http://proxy.example:3128");
    assert!(default["noProxy"].as_str().unwrap().starts_with("example.org,10.0.0.0/8,localhost,"));
    let apt = written(root, "etc/apt/apt.conf.d/90larm-proxy");
    assert!(apt.contains("Acquire::http::Proxy \"http://proxy.example:3128\";\n"));
    assert!(apt.contains("Acquire::http::Proxy::example.org \"DIRECT\";\n"));
    let system = written(root, "etc/environment");
    assert!(
        system.starts_with("PATH=\"/bin\"\nhttp_proxy=\"http://proxy.example:3128\"\n"),
        "{system}"
    );
    let dotenv = written(root, "var/lib/larm/dotenv");
    assert!(dotenv.contains("\nDOCKERHUB_MIRROR=https://mirror.example\n"));
    assert!(!dotenv.contains("GREETING"), "a value of two lines");
}

#[test]
fn an_image_whose_docker_settings_cannot_be_read_is_named() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/docker")).unwrap();
    fs::write(root.path().join("etc/docker/daemon.json"), "[]").unwrap();
    let why = set_up(root.path(), &proxied()).unwrap_err();
    assert!(why.trim_end().ends_with("etc/docker/daemon.json is no JSON object"), "{why}");
}

/// Each case is the event's name and payload; says whether the contributor may have a job.
fn contributors_pass(cases: &Value) -> Vec<bool> {
    let program = "
import json, os, runpy, sys
checks = runpy.run_path(sys.argv[1])
for name, payload in json.load(sys.stdin):
    with open(sys.argv[2], 'w') as file:
        json.dump(payload, file)
    os.environ.update(GITHUB_EVENT_NAME=name, GITHUB_EVENT_PATH=sys.argv[2])
    try:
        checks['check_contributor']()
        print('true')
    except checks['Refused'] as refused:
        assert refused.status == 'external-contributor-check-failure'
        print('false')
";
    let folder = tempfile::tempdir().unwrap();
    let checks = folder.path().join("checks.py");
    fs::write(&checks, include_str!("../files/checks.py")).unwrap();
    let mut command = Command::new("python3");
    command.args(["-I", "-c", program]).arg(checks).arg(folder.path().join("event.json"));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "true").collect()
}

fn pull_request(head: &Value, standing: &str, private: bool) -> Value {
    json!({
        "repository": {"private": private},
        "pull_request": {
            "author_association": standing,
            "head": {"repo": head},
            "base": {"repo": {"full_name": "acme/web"}},
        },
        "review": {"author_association": "NONE"},
        "comment": {"author_association": "MEMBER"},
    })
}

#[test]
fn only_those_of_the_repository_get_jobs_where_outsiders_are_refused() {
    let fork = json!({"full_name": "eve/web"});
    let own = json!({"full_name": "acme/web"});
    let cases = [
        ("push", json!({}), true),
        ("workflow_dispatch", json!({}), true),
        ("pull_request", pull_request(&fork, "NONE", false), false),
        ("pull_request", pull_request(&fork, "FIRST_TIME_CONTRIBUTOR", false), false),
        ("pull_request", pull_request(&fork, "CONTRIBUTOR", false), false),
        ("pull_request", pull_request(&fork, "CONTRIBUTOR", true), true),
        ("pull_request", pull_request(&fork, "COLLABORATOR", false), true),
        ("pull_request", pull_request(&fork, "OWNER", false), true),
        ("pull_request", pull_request(&own, "NONE", false), true),
        // The fork was deleted.
        ("pull_request", pull_request(&Value::Null, "NONE", false), false),
        ("pull_request_target", pull_request(&fork, "NONE", false), false),
        ("pull_request_target", pull_request(&fork, "MEMBER", false), true),
        ("pull_request_review", pull_request(&fork, "OWNER", false), false),
        ("pull_request_review", pull_request(&own, "NONE", false), true),
        ("pull_request_review_comment", pull_request(&fork, "NONE", false), true),
        ("issue_comment", json!({"comment": {"author_association": "NONE"}}), false),
        ("issue_comment", json!({"comment": {"author_association": "MEMBER"}}), true),
        ("issue_comment", json!({"comment": "MEMBER"}), false),
        ("pull_request", json!({}), false),
        ("pull_request", json!([]), false),
    ];
    let asked = json!(cases.iter().map(|(name, event, _)| (name, event)).collect::<Vec<_>>());
    for (passes, case) in contributors_pass(&asked).into_iter().zip(&cases) {
        assert_eq!(passes, case.2, "{case:?}");
    }
}

#[test]
fn the_scripts_name_the_same_places() {
    let checks = include_str!("../files/checks.py");
    for path in [paths::CHECKS_CONFIG, paths::POLICY_TOKEN, paths::POST_JOB] {
        assert!(checks.contains(&format!("\"{path}\"")), "{path}");
    }
    let services = include_str!("../files/services.py");
    assert!(services.contains(paths::SERVICES_CONFIG.trim_start_matches('/')));
    assert!(include_str!("../files/aproxy.sh").contains(paths::APROXY_CONFIG));
    let state = include_str!("../files/state.sh");
    assert!(state.contains(&format!("={}\n", paths::LIFETIME_TIMER)));
    assert!(state.contains("--on-active=8d"), "longer than any hold");
    assert!(LONGEST_HOLD < SignedDuration::from_hours(8 * 24));
    let below = |path: &str| path.strip_prefix("/usr/local/lib/larm").unwrap().to_owned();
    for (script, path) in [
        (include_str!("../files/guest.sh"), paths::SERVICES),
        (include_str!("../files/guest.sh"), paths::ENVIRONMENT),
        (include_str!("../files/services.sh"), paths::ENVIRONMENT),
        (include_str!("../files/services.sh"), paths::SERVICES_PROGRAM),
        (include_str!("../files/services.sh"), paths::APROXY),
        (include_str!("../files/job-started.sh"), paths::CHECKS),
        (include_str!("../files/job-started.sh"), paths::PRE_JOB_SCRIPT),
        (include_str!("../files/job-started.sh"), paths::JOB_SCRIPT),
        (include_str!("../files/job-completed.sh"), paths::POST_JOB_SCRIPT),
    ] {
        assert!(script.contains(&format!("$HOOKS{}", below(path))), "{path}");
    }
}

/// Runs a script with `sh`; what it printed, and its exit code.
fn run_script(script: &str) -> (String, Option<i32>) {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn variables_may_have_the_names_of_the_scripts_own() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join(".local/bin")).unwrap();
    program(&root.join(".local/bin/setpriv"), "#!/bin/sh\necho $PWD $* $JOB_USER $APPLICATION\n");
    let names = ["APPLICATION", "JOB_USER", "HOOKS", "uid", "gid"];
    let environment = names.map(|name| (name.to_owned(), "/else where".to_owned())).into();
    let services = GuestServices { environment, ..GuestServices::default() };
    fs::write(root.join("environment"), content(&services, paths::ENVIRONMENT).unwrap()).unwrap();
    let guest = include_str!("../files/guest.sh");
    let (_, functions) = guest.split_once("as_job_user() {").unwrap();
    let (functions, _) = functions.split_once("# Reads a handed-over file").unwrap();
    let root = root.canonicalize().unwrap();
    let root = root.display();
    let (said, code) = run_script(&format!(
        "getent() {{ echo a:b:c:d:e:{root}:g; }}\nid() {{ echo \"$*\"; }}\n\
         APPLICATION={root} HOOKS={root} JOB_USER=jobber\n\
         as_job_user() {{{functions}\nas_job_user env -0"
    ));
    let expected = "--reuid -u jobber --regid -g jobber --init-groups -- env -0";
    assert_eq!(said, format!("{root} {expected} /else where /else where\n"));
    assert_eq!(code, Some(0));
}

#[test]
fn a_script_that_was_killed_early_did_not_take_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let script = include_str!("../files/job-script.sh").replace("/usr/local/lib/larm", &root);
    for (text, limit, said) in [
        ("kill -KILL $$", 60, "the farm's pre-job script ended with code 137"),
        ("exec sleep 60", 1, "the farm's pre-job script took longer than 1 s"),
    ] {
        program(&folder.path().join("pre-job"), &format!("#!/bin/sh\n{text}\n"));
        fs::write(folder.path().join("pre-job.policy"), format!("fail {limit}\n")).unwrap();
        let (out, code) = run_script(&format!("set -- pre-job\n{script}"));
        assert!(out.contains(said), "{out}");
        assert_eq!(code, Some(1));
    }
}

#[test]
fn checks_that_fail_refuse_the_job_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let config = folder.path().join("checks.json");
    let checks = include_str!("../files/checks.py")
        .replace(paths::CHECKS_CONFIG, &config.display().to_string())
        .replace("/var/lib/larm/metrics", &root);
    for text in ["no JSON", "{\"refuse_external_contributors\": false}"] {
        fs::write(&config, text).unwrap();
        let mut command = Command::new("python3");
        let output = command.args(["-I", "-c", &checks]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("the checks failed: contact the operators"), "{said}");
        assert_eq!(output.status.code(), Some(2));
        let left = fs::read_to_string(folder.path().join("post-job-metrics.json")).unwrap();
        assert!(left.contains("repo-policy-check-failure"), "{left}");
    }
}

#[test]
fn an_answer_that_breaks_off_keeps_its_code() {
    let program = "
import email.message, runpy, sys, urllib.error, urllib.request
checks = runpy.run_path(sys.argv[1])
class Broken:
    def read(self, *_): raise OSError
    def close(self): pass
class Opener:
    def open(self, request, timeout):
        raise urllib.error.HTTPError('u', 403, 'no', email.message.Message(), Broken())
urllib.request.build_opener = lambda *_: Opener()
print(checks['ask']('http://127.0.0.1/', {}, 'token'))
";
    let folder = tempfile::tempdir().unwrap();
    let checks = folder.path().join("checks.py");
    fs::write(&checks, include_str!("../files/checks.py")).unwrap();
    let output = Command::new("python3").args(["-I", "-c", program]).arg(checks).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "(403, '')\n", "{:?}", output.stderr);
}
