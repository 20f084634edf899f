//! Files in, settings or an error that names its place out.

mod farm;
mod secrets;
mod services;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use tempfile::TempDir;

use super::{ConfigError, Overrides, Settings, load};
use crate::model::{Deadlines, InstanceType};

fn written(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("larm.toml");
    fs::write(&file, text).unwrap();
    (dir, file)
}

fn read(text: &str) -> Result<Settings, ConfigError> {
    let (_dir, file) = written(text);
    load(Some(&file), Overrides::default())
}

/// The error of `text`, with the temporary directory cut out.
fn error(text: &str) -> String {
    let message = read(text).unwrap_err().to_string();
    message.split_once("larm.toml").map(|(_, rest)| rest.to_owned()).unwrap()
}

#[test]
fn an_empty_file_means_the_defaults() {
    let settings = read("").unwrap();
    assert_eq!(settings.name_prefix.as_str(), "larm");
    assert_eq!(settings.state_dir, Path::new("/var/lib/larm"));
    assert_eq!(settings.control_socket, Path::new("/run/larm/control.sock"));
    assert_eq!(settings.lxd.project, "larm");
    assert_eq!(settings.runner.spec.image, "larm-debian12");
    assert_eq!(settings.runner.spec.instance_type, InstanceType::VirtualMachine);
    assert_eq!(settings.runner.spec.profiles, ["larm"]);
    assert_eq!(settings.runner.tarball, None);
    assert_eq!(settings.deadlines, Deadlines::default());
    assert_eq!(settings.limits.sweep, Duration::from_mins(1));
    assert_eq!(settings.limits.journal, 100_000);
    assert_eq!(settings.limits.creates, None);
    assert_eq!(settings.github.url, "https://github.com");
}

#[test]
fn every_key_is_read() {
    let sha256 = "AB".repeat(32);
    let settings = read(&format!(
        r#"
        name_prefix = "farm-1"
        state_dir = "/srv/larm"
        control_socket = "/run/farm.sock"
        control_group = ""
        log = "larm=debug,warn"
        [lxd]
        socket = "/var/snap/lxd/common/lxd/unix.socket"
        project = "ci"
        timeout = "10s"
        [runner]
        type = "container"
        image = "ubuntu/24.04"
        pool = "small"
        profiles = ["default", "ci"]
        cpu = 4
        memory = "8GiB"
        disk = "20GB"
        url = "https://example.org/runner.tar.gz"
        sha256 = "{sha256}"
        [deadlines]
        create = "1m 30s"
        boot = "90s"
        register = "2 minutes"
        job = "6h"
        trouble_grace = "1s"
        process_grace = "500ms"
        [limits]
        creates = 9
        max_runners = 40
        sweep = "5m"
        journal = 1000
        [github]
        url = "https://github.example.org/"
        "#
    ))
    .unwrap();
    assert_eq!(settings.control_group, None);
    assert_eq!(settings.lxd.timeout, Duration::from_secs(10));
    assert_eq!(settings.runner.spec.cpu, Some(4));
    assert_eq!(settings.runner.spec.memory.as_deref(), Some("8GiB"));
    assert_eq!(settings.runner.spec.profiles, ["default", "ci"]);
    assert_eq!(settings.runner.tarball.unwrap().sha256, sha256.to_lowercase());
    assert_eq!(settings.deadlines.create, SignedDuration::from_secs(90));
    assert_eq!(settings.deadlines.job, Some(SignedDuration::from_hours(6)));
    assert_eq!(settings.deadlines.process_grace, SignedDuration::from_millis(500));
    assert_eq!(settings.limits.max_runners, Some(40));
    assert_eq!(settings.github.url, "https://github.example.org");
}

#[test]
fn what_is_written_later_wins_key_by_key_and_flags_win_over_all() {
    let (dir, file) = written("[runner]\ncpu = 2\nmemory = \"2GiB\"\npool = \"a\"\n");
    fs::create_dir(dir.path().join("larm.d")).unwrap();
    let drop_in = |name: &str, text: &str| fs::write(dir.path().join("larm.d").join(name), text);
    drop_in("20-b.toml", "[runner]\ncpu = 8\n").unwrap();
    drop_in("10-a.toml", "[runner]\ncpu = 4\npool = \"b\"\ntype = \"virtual-machine\"\n").unwrap();
    drop_in("30-c.toml.bak", "this is not read").unwrap();
    let flags = Overrides {
        instance_type: Some(InstanceType::Container),
        lxd_socket: Some("/tmp/lxd".into()),
        ..Overrides::default()
    };
    let settings = load(Some(&file), flags).unwrap();
    let spec = &settings.runner.spec;
    assert_eq!((spec.cpu, spec.memory.as_deref()), (Some(8), Some("2GiB")));
    assert_eq!((spec.pool.as_str(), spec.instance_type), ("b", InstanceType::Container));
    assert_eq!(settings.lxd.socket.as_deref(), Some(Path::new("/tmp/lxd")));

    drop_in("40-d.toml", "\ncolour = 1").unwrap();
    let message = load(Some(&file), Overrides::default()).unwrap_err().to_string();
    assert!(message.contains("larm.d/40-d.toml:2:"), "{message}");
}

#[test]
fn a_file_that_was_named_must_exist() {
    let error = load(Some(Path::new("/nowhere/larm.toml")), Overrides::default()).unwrap_err();
    assert_eq!(error.to_string(), "could not read the configuration /nowhere/larm.toml");
    assert!(error.hint().unwrap().contains("leave it out"));
}

#[test]
fn an_unknown_key_is_shown_with_its_line() {
    insta::assert_snapshot!(error("log = \"info\"\n\n[runner]\ncpus = 2\n"), @r"
    :4: TOML parse error at line 4, column 1
      |
    4 | cpus = ***
      | ^^^^
    unknown field `cpus`, expected one of `type`, `image`, `pool`, `profiles`, `cpu`, `memory`, `disk`, `nesting`, `url`, `sha256`, `application`, `lifetime`
    ");
}

#[test]
fn every_wrong_value_is_shown_with_its_line() {
    for (line, text, words) in [
        (1, "name_prefix = \"-x\"", "is no name prefix"),
        (1, "state_dir = \"var\"", "is no absolute path"),
        (1, "control_socket = \"/\"", "is no absolute path"),
        (1, "control_group = \"a:b\"", "is no group's name"),
        (
            1,
            "control_group = \"no-such-group\"",
            "create it with `groupadd --system no-such-group`",
        ),
        (1, "log = \"info,=\"", "is no log filter"),
        (2, "[lxd]\nproject = \"a/b\"", "is no name"),
        (2, "[lxd]\ntimeout = \"0s\"", "is not between"),
        (2, "[lxd]\ntimeout = 5", "expected a string"),
        (2, "[lxd]\ntimeout = \"soon\"", "is no length of time"),
        (2, "[limits]\nsweep = \"-5m\"", "is not between"),
        (2, "[limits]\nstarts = 0", "nonzero"),
        (2, "[limits]\njournal = 5000000000", "5000000000"),
        (2, "[runner]\ntype = \"vm\"", "expected `virtual-machine` or `container`"),
        (2, "[runner]\nimage = \"\"", "is no image alias"),
        (2, "[runner]\nmemory = \"4 GiB\"", "is no size"),
        (2, "[runner]\nmemory = \"0GiB\"", "is no size"),
        (2, "[runner]\nurl = \"ftp://x\"", "is no http or https URL"),
        (2, "[runner]\nurl = \"https://a:b@x\"", "is no http or https URL"),
        (2, "[runner]\nsha256 = \"abc\"", "is no SHA-256"),
        (2, "\n[runner]\nurl = \"https://x\"", "`url` is given without `sha256`"),
        (3, "\n[runner]\ncpu = 0", "nonzero"),
        (2, "log = \"info\"\nlog = \"warn\"", "duplicate key"),
        (1, "log = ", "string"),
    ] {
        let message = error(text);
        assert!(message.starts_with(&format!(":{line}: ")), "{text:?} gave {message}");
        assert!(message.contains(words), "{text:?} gave {message}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused_with_its_line() {
    let (_dir, file) = written("");
    fs::write(&file, b"log = \"info\"\n# \xff\n").unwrap();
    let error = load(Some(&file), Overrides::default()).unwrap_err();
    assert!(error.to_string().ends_with("larm.toml:2: this line is not UTF-8"), "{error}");
    fs::write(&file, vec![b'#'; 2 << 20]).unwrap();
    let error = load(Some(&file), Overrides::default()).unwrap_err();
    assert!(matches!(error, ConfigError::TooLarge { .. }), "{error}");
}

#[test]
fn settings_can_be_printed() {
    let shown = toml::to_string(&Settings::default()).unwrap();
    assert!(shown.contains("name_prefix = \"larm\""), "{shown}");
    assert!(shown.contains("sweep = \"1m\""), "{shown}");
}
