//! Connections, webhooks, the host's share and pools.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use super::{read, written};
use crate::config::{
    AuthSettings, ConfigError, HostSettings, Overrides, RunnerCredential, SecretFile, Settings,
    load,
};
use crate::model::{DEFAULT_CONNECTION, Deadlines, GitHubPath, InstanceType};

const EVERYTHING: &str = r#"
[runner]
image = "noble"
memory = "4GiB"
profiles = ["larm", "fast"]
[deadlines]
boot = "90s"
job = "2h"
[github]
token_file = "/etc/larm/token"
poll = "off"
[connection.ghes]
url = "https://github.acme.com/"
app_id = 123456
app_key_file = "app.pem"
app_installation = 42
credential = "registration-token"
poll = "1m"
repositories = ["acme/web", "acme/api"]
[webhook]
listen = "127.0.0.1:8750"
secret_file = "webhook-secret"
path = "/hook"
url = "https://ci.acme.com/hook"
[host]
memory_reserve = "512MiB"
disk_reserve = "0B"
cpu_overcommit = 2
creations_per_minute = 10
[[pool]]
name = "small"
github = "acme/web"
labels = ["Small", "small", "linux"]
[[pool]]
name = "big-1"
github = "acme"
connection = "ghes"
group = "trusted runners"
image = "ubuntu/24.04"
type = "container"
profiles = ["big"]
cpu = 8
memory = "32GiB"
disk = "100GiB"
min_idle = 1
standby = 2
frozen = 1
share = "acme"
max = 6
priority = -3
idle_timeout = "10m"
job = "6h"
deadlines = { boot = "2m", register = "1m" }
"#;

/// The words of each fault, with the directory cut out of it.
fn faults(dir: &Path, file: &Path) -> Vec<String> {
    let error = load(Some(file), Overrides::default()).unwrap_err();
    let ConfigError::Faults(faults) = error else { panic!("{error}") };
    let prefix = format!("{}/", dir.display());
    faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

fn faults_of(text: &str) -> Vec<String> {
    let (dir, file) = written(text);
    faults(dir.path(), &file)
}

fn secret(path: &str) -> SecretFile {
    PathBuf::from(path).try_into().unwrap()
}

#[test]
fn every_key_of_connections_webhook_and_host_is_read() {
    let settings = read(EVERYTHING).unwrap();
    let default = settings.connection(DEFAULT_CONNECTION).unwrap();
    assert_eq!(default.url, "https://github.com");
    assert_eq!(default.auth, Some(AuthSettings::Token { file: secret("/etc/larm/token") }));
    assert_eq!((default.poll, default.credential), (None, RunnerCredential::Jit));
    assert_eq!(default.repositories, None);

    let ghes = settings.connection("ghes").unwrap();
    assert_eq!(ghes.url, "https://github.acme.com");
    let id = "123456".to_owned();
    let key_file = secret("app.pem");
    assert_eq!(ghes.auth, Some(AuthSettings::App { id, key_file, installation: Some(42) }));
    assert_eq!(ghes.credential, RunnerCredential::RegistrationToken);
    assert_eq!(ghes.poll, Some(Duration::from_mins(1)));
    assert_eq!(ghes.repositories.as_ref().unwrap().len(), 2);

    let webhook = settings.webhook.unwrap();
    assert_eq!(webhook.listen.to_string(), "127.0.0.1:8750");
    assert_eq!((webhook.path.as_str(), webhook.secret_file), ("/hook", secret("webhook-secret")));
    assert_eq!(webhook.url.as_deref(), Some("https://ci.acme.com/hook"));
    let host = HostSettings {
        creation: None,
        memory_reserve: 512 << 20,
        disk_reserve: 0,
        cpu_overcommit: 2,
        creations_per_minute: 10,
    };
    assert_eq!(settings.host, host);
}

#[test]
fn a_pool_takes_what_it_does_not_say_from_elsewhere() {
    let settings = read(EVERYTHING).unwrap();
    let small = &settings.pools[0];
    assert_eq!(small.target.connection, DEFAULT_CONNECTION);
    assert_eq!(small.target.path, "acme/web".parse().unwrap());
    assert_eq!(small.labels[..3], ["small", "linux", "self-hosted"]);
    assert_eq!(small.labels.len(), 4, "the architecture is the last of {:?}", small.labels);
    assert_eq!((small.spec.pool.as_str(), small.spec.image.as_str()), ("small", "noble"));
    assert_eq!(small.spec.memory.as_deref(), Some("4GiB"));
    assert_eq!((small.min_idle, small.standby, small.max, small.priority), (0, 0, 4, 0));
    assert_eq!(small.idle_timeout, SignedDuration::from_mins(5));
    assert_eq!(small.deadlines, settings.deadlines);
}

#[test]
fn a_pool_may_say_everything_itself() {
    let settings = read(EVERYTHING).unwrap();
    let big = &settings.pools[1];
    let group = "trusted runners".to_owned();
    assert_eq!(big.target.path, GitHubPath::Org { org: "acme".to_owned(), group });
    assert_eq!(big.target.connection, "ghes");
    assert_eq!(big.spec.instance_type, InstanceType::Container);
    assert_eq!((big.spec.cpu, big.spec.disk.as_deref()), (Some(8), Some("100GiB")));
    assert_eq!(big.spec.profiles, ["big"]);
    assert_eq!((big.frozen, big.spec.share.as_str()), (1, "acme"));
    assert_eq!(big.lifetime, Some(settings.runner.lifetime));
    assert_eq!((big.min_idle, big.standby, big.max, big.priority), (1, 2, 6, -3));
    let deadlines = Deadlines {
        boot: SignedDuration::from_mins(2),
        register: SignedDuration::from_mins(1),
        job: Some(SignedDuration::from_hours(6)),
        ..Deadlines::default()
    };
    assert_eq!(big.deadlines, deadlines);
}

#[test]
fn pools_and_connections_of_several_files_are_joined_by_name() {
    let (dir, file) = written(EVERYTHING);
    fs::create_dir(dir.path().join("larm.d")).unwrap();
    let drop_in = |text: &str| fs::write(dir.path().join("larm.d/10-a.toml"), text).unwrap();
    drop_in(
        "[connection.ghes]\npoll = \"5s\"\n[webhook]\npath = \"/x\"\n[host]\ncpu_overcommit = 9\n\
         [[pool]]\nname = \"new\"\ngithub = \"acme/new\"\n\
         [[pool]]\nname = \"big-1\"\nmax = 20\ndeadlines = { boot = \"3m\" }\n",
    );
    let settings = load(Some(&file), Overrides::default()).unwrap();
    let names: Vec<&str> = settings.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["small", "big-1", "new"]);
    let big = &settings.pools[1];
    assert_eq!((big.max, big.min_idle, big.spec.cpu), (20, 1, Some(8)));
    assert_eq!(big.deadlines.boot, SignedDuration::from_mins(3));
    assert_eq!(big.deadlines.register, SignedDuration::from_mins(1));
    assert_eq!(settings.connection("ghes").unwrap().poll, Some(Duration::from_secs(5)));
    assert_eq!((settings.webhook.unwrap().path.as_str(), settings.host.cpu_overcommit), ("/x", 9));

    drop_in("[[pool]]\nname = \"big-1\"\nmin_idle = 7\n\n[[pool]]\nname = \"big-1\"\n");
    assert_eq!(
        faults(dir.path(), &file),
        [
            "larm.d/10-a.toml:3: `min_idle` is 7, but `max` is only 6",
            "larm.d/10-a.toml:6: this file has another pool \"big-1\"",
        ]
    );
}

#[test]
fn all_that_does_not_fit_together_is_told_with_its_line() {
    let faults = faults_of(
        r#"
[limits]
max_runners = 5
[connection.a]
url = "https://a"
[connection.b]
token_file = "/t"
app_id = "1"
[connection.c]
app_id = "1"
[connection.d]
app_key_file = "/k"
[connection.e]
app_installation = 1
[webhook]
listen = "[::1]:80"
[[pool]]
name = "unauthorised"
github = "acme/web"
[[pool]]
name = "nowhere"
[[pool]]
name = "grouped"
github = "acme/web"
connection = "f"
group = "default"
[[pool]]
name = "lost"
github = "acme"
connection = "f"
min_idle = 5
job = "1h"
deadlines = { job = "2h" }
[[pool]]
name = "lost"
connection = "e"
standby = 9
max = 8
"#,
    );
    insta::assert_snapshot!(faults.join("\n"), @r#"
    larm.toml:4: the connection "a" has no credential: give it `token_file`, or `app_id` and `app_key_file`
    larm.toml:8: `token_file` is given too: a connection has a token or an App, not both
    larm.toml:10: `app_id` is given without `app_key_file`
    larm.toml:12: `app_key_file` is given without `app_id`
    larm.toml:14: `app_installation` is given without `app_id` and `app_key_file`
    larm.toml:16: `listen` is given without `secret_file`: without a secret anybody could send webhooks
    larm.toml:19: the pool "unauthorised" uses `[github]`, which has no credential: give it `token_file`, or `app_id` and `app_key_file`
    larm.toml:21: the pool "nowhere" has no `github`: say where its runners register, OWNER/REPOSITORY or ORGANISATION
    larm.toml:25: there is no connection "f": add `[connection.f]`
    larm.toml:26: `group` is given for a repository: only organisations have runner groups
    larm.toml:31: the pools want 14 runners in advance (`min_idle`, and `standby` for each shape of instance), but `limits.max_runners` is 5
    larm.toml:32: `job` is given twice: also in `deadlines`
    larm.toml:35: this file has another pool "lost"
    "#);
}

#[test]
fn wishes_in_advance_fit_into_the_limit_of_all() {
    let text = "[limits]\nmax_runners = 5\n[github]\ntoken_file = \"/t\"\n";
    let pool = |name: &str, keys: &str| {
        format!("[[pool]]\nname = \"{name}\"\ngithub = \"acme/web\"\n{keys}\n")
    };
    let (a, b) = (pool("a", "min_idle = 2\nstandby = 3"), pool("b", "standby = 2"));
    assert!(read(&format!("{text}{a}{b}")).is_ok(), "standbys of one shape are shared");
    let other = pool("b", "standby = 2\ncpu = 2");
    let faults = faults_of(&format!("{text}{a}{other}"));
    let expected = "larm.toml:13: the pools want 7 runners in advance (`min_idle`, and `standby` \
        for each shape of instance), but `limits.max_runners` is 5";
    assert_eq!(faults, [expected]);
}

#[test]
fn standbys_are_no_more_than_the_pools_of_their_shape_may_have() {
    let pool = |name: &str, keys: &str| {
        format!("[[pool]]\nname = \"{name}\"\ngithub = \"acme/web\"\n{keys}\n")
    };
    let token = "[github]\ntoken_file = \"/t\"\n";
    let (a, b) = (pool("a", "standby = 6\nmax = 2"), pool("b", "max = 4"));
    assert!(read(&format!("{token}{a}{b}")).is_ok(), "they are shared");
    let other = pool("b", "max = 4\nimage = \"x\"");
    let expected = "larm.toml:6: `standby` is 6, but all pools with this shape of instance may have \
        only 2 runners (`max`)";
    assert_eq!(faults_of(&format!("{token}{a}{other}")), [expected]);
}

#[test]
fn no_more_standbys_are_frozen_than_there_are() {
    let pool = "[[pool]]\nname = \"a\"\ngithub = \"acme/web\"\nstandby = 1\nfrozen = ";
    let text = |frozen: u16| format!("[github]\ntoken_file = \"/t\"\n{pool}{frozen}\n");
    assert!(read(&text(1)).is_ok());
    let expected = "larm.toml:7: `frozen` is 2, but `standby` is only 1: so many of the standbys are \
        frozen";
    assert_eq!(faults_of(&text(2)), [expected]);
}

#[test]
fn every_wrong_value_of_the_farm_is_shown_with_its_line() {
    let pool = "[[pool]]\nname = \"a\"\n";
    for (line, text, words) in [
        (2, "[github]\ntoken_file = \"secrets/token\"", "name of a systemd credential"),
        (2, "[github]\napp_id = \"my app\"", "client id of a GitHub App"),
        (2, "[github]\napp_id = true", "expected the App's id"),
        (2, "[github]\napp_installation = 0", "nonzero"),
        (2, "[github]\ncredential = \"JIT\"", "expected `jit` or `registration-token`"),
        (2, "[github]\npoll = \"never\"", "or \"off\""),
        (2, "[github]\nrepositories = [\"acme\"]", "is no repository"),
        (2, "[github]\ntoken = \"ghp_x\"", "unknown field `token`"),
        (1, "[connection.github]\nurl = \"https://x\"", "is the table `[github]`"),
        (1, "[connection.\"A b\"]\nurl = \"https://x\"", "is no name"),
        (2, "[webhook]\nlisten = \"8750\"", "is no address with a port"),
        (2, "[webhook]\npath = \"hook\"", "is no path of a URL"),
        (2, "[host]\nmemory_reserve = \"2\"", "is no size"),
        (2, "[host]\ncpu_overcommit = 0", "nonzero"),
        (1, "[[pool]]\nmax = 1", "missing field `name`"),
        (2, "[[pool]]\nname = \"Big\"", "is no name"),
        (2, "[[pool]]\nname = \"a-name-of-thirty-one-characters\"", "1 to 30 lower-case"),
        (3, &format!("{pool}github = \"a/b/c\""), "is no GitHub path"),
        (3, &format!("{pool}group = \"\""), "is no name of a runner group"),
        (3, &format!("{pool}labels = [\"a,b\"]"), "is no label"),
        (3, &format!("{pool}max = 0"), "nonzero"),
        (3, &format!("{pool}min_idle = -1"), "invalid value"),
        (3, &format!("{pool}cpus = 1"), "unknown field `cpus`"),
        (3, &format!("{pool}deadlines = {{ boot = \"0s\" }}"), "is not between"),
    ] {
        let message = super::error(text);
        assert!(message.starts_with(&format!(":{line}: ")), "{text:?} gave {message}");
        assert!(message.contains(words), "{text:?} gave {message}");
    }
}

#[test]
fn what_is_shown_means_the_same() {
    for text in ["", EVERYTHING, "[runner]\nurl = \"https://x\"\nsha256 = \"ab\"\n"] {
        let text = text.replace("\"ab\"", &format!("\"{}\"", "ab".repeat(32)));
        let settings = read(&text).unwrap();
        let again = read(&settings.shown().to_string()).unwrap();
        let value = |settings: &Settings| serde_json::to_value(settings).unwrap();
        assert_eq!(value(&again), value(&settings), "{}", settings.shown());
    }
}

#[test]
fn isolation_is_read_and_what_is_no_address_is_named() {
    let text =
        "[isolation]\nallow = ['10.1.2.3:5000', 'registry.lan:443/udp']\ndeny = ['1.2.3.9/24']\n";
    let isolation = read(text).unwrap().isolation;
    assert!(isolation.enforce);
    let allowed: Vec<String> = isolation.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["10.1.2.3:5000/tcp", "registry.lan:443/udp"]);
    let denied: Vec<String> = isolation.deny.iter().map(ToString::to_string).collect();
    assert_eq!(denied, ["1.2.3.0/24"]);
    for (wrong, told) in [
        ("allow = ['[::1]:80']", ":2: \"[::1]:80\" is no endpoint"),
        ("allow = ['a:0']", ":2: \"a:0\" has no port"),
        ("deny = ['10.0.0.0/33']", ":2: \"10.0.0.0/33\" is no IPv4 address"),
    ] {
        let error = read(&format!("[isolation]\n{wrong}\n")).unwrap_err();
        let problem = error.problems().remove(0);
        let shown = format!(":{}: {}", problem.line.unwrap(), problem.message);
        assert!(shown.starts_with(told), "{shown}");
    }
}

#[test]
fn nesting_is_a_pools_own_or_the_runners() {
    let token = "[github]\ntoken_file = '/t'\n";
    let pools = "[[pool]]\nname = 'a'\ngithub = 'acme/web'\n[[pool]]\nname = 'b'\ngithub = 'acme/api'\nnesting = false\n";
    let settings = read(&format!("{token}[runner]\nnesting = true\n{pools}")).unwrap();
    let nesting: Vec<bool> = settings.pools.iter().map(|pool| pool.spec.nesting).collect();
    assert_eq!(nesting, [true, false]);
    assert!(!settings.pools[0].spec.same_shape(&settings.pools[1].spec));
}
