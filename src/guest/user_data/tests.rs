//! The user-data is read back equal by `PyYAML`, which is what cloud-init reads it with.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::guest::application;

fn download() -> UserData {
    UserData {
        runner: RunnerSource::Download {
            url: "https://example.org/a b.tar.gz?x=1&y='2'#z".replace(' ', "%20"),
            sha256: "AB".repeat(32),
        },
        ..UserData::default()
    }
}

/// What `PyYAML` reads, as JSON; `None` if there is no `PyYAML`.
fn read_by_pyyaml(text: &str) -> Option<serde_json::Value> {
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.read())))";
    for python in ["python3", "/usr/bin/python3"] {
        let mut command = Command::new(python);
        command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.stderr(Stdio::null()).spawn() else { continue };
        let mut stdin = child.stdin.take().unwrap();
        // A python without yaml ends before it has read all.
        let written = stdin.write_all(text.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        if written.is_ok() && output.status.success() {
            return Some(serde_json::from_slice(&output.stdout).unwrap());
        }
    }
    None
}

#[test]
fn pyyaml_reads_it_back_equal() {
    let text = render(&download()).unwrap();
    assert!(text.starts_with("#cloud-config\n"));
    let Some(read) = read_by_pyyaml(&text) else {
        println!("SKIPPED: no python3 with PyYAML here (apt-get install python3-yaml)");
        return;
    };
    for (index, file) in files(&download()).iter().enumerate() {
        assert_eq!(read["write_files"][index], serde_json::to_value(file).unwrap());
    }
    let url = "https://example.org/a%20b.tar.gz?x=1&y='2'#z";
    let prepare = serde_json::json!([paths::SCRIPT, "prepare", url, "ab".repeat(32)]);
    assert_eq!(read["runcmd"], serde_json::json!([prepare, [paths::SCRIPT, "wait"]]));
    assert_eq!(read["users"][0]["name"], "runner");
    assert_eq!(read["users"][0]["lock_passwd"], true);
}

#[test]
fn a_guest_that_waits_for_the_application_has_the_units_for_it() {
    let data = UserData { runner: RunnerSource::Pushed, ..UserData::default() };
    let text = render(&data).unwrap();
    let last = files(&data).pop().unwrap();
    assert_eq!(last.path, paths::SCRIPT);
    for path in [paths::APPLICATION_PATH, paths::APPLICATION_SERVICE] {
        assert!(text.contains(path) && !render(&UserData::default()).unwrap().contains(path));
    }
    let unit = include_str!("../files/larm-application.path");
    assert!(unit.contains(&format!("PathExists={}\n", application::COMPLETE)));
    if let Some(read) = read_by_pyyaml(&text) {
        let prepare = serde_json::json!([paths::SCRIPT, "prepare", "pushed"]);
        assert_eq!(read["runcmd"][0], prepare);
    }
}

#[test]
fn the_application_of_the_image_needs_no_download() {
    let text = render(&UserData::default()).unwrap();
    assert!(!text.contains("http://"));
    assert!(text.ends_with("wait\n") || text.contains("- wait"), "{text}");
    assert!(text.len() < 36 * 1024, "{}", text.len());
}

#[test]
fn what_could_hold_a_secret_or_break_a_line_is_refused() {
    for url in
        ["", "ftp://a/b", "https://", "https://user:pass@host/x", "http://a/b c", "http://a\n"]
    {
        let runner = RunnerSource::Download { url: url.to_owned(), sha256: "a".repeat(64) };
        let error = render(&UserData { runner, ..UserData::default() }).unwrap_err().to_string();
        assert!(!error.contains("pass"), "{error}");
    }
    for sha256 in ["", "abc", &"g".repeat(64)] {
        let url = "https://a/b".to_owned();
        let runner = RunnerSource::Download { url, sha256: sha256.to_owned() };
        assert!(matches!(
            render(&UserData { runner, ..UserData::default() }),
            Err(UserDataError::Sha256(_))
        ));
    }
}

#[test]
fn the_script_names_the_same_places() {
    let script = [include_str!("../files/state.sh"), include_str!("../files/guest.sh")].concat();
    assert!(script.contains(&format!("\n. {}\n", paths::STATE_SCRIPT)));
    for line in [
        format!("RUN={}\n", paths::RUN_DIR),
        format!("APPLICATION={}\n", paths::APPLICATION),
        format!("JOB_USER={}\n", paths::USER),
    ] {
        assert!(script.contains(&line), "{line}");
    }
    let below = |path: &str, root: &str| path.strip_prefix(root).unwrap().to_owned();
    for path in [paths::STATUS, paths::CLAIMED, paths::CREDENTIAL, paths::REMOVE_TOKEN] {
        assert!(script.contains(&format!("=$RUN{}\n", below(path, paths::RUN_DIR))), "{path}");
    }
    for path in [paths::INSTALLED, paths::POST_JOB] {
        assert!(script.contains(&below(path, paths::METRICS_DIR)), "{path}");
    }
    assert!(include_str!("../files/job-started.sh").contains(paths::PRE_JOB));
    assert!(include_str!("../files/larm-runner.path").contains(paths::CREDENTIAL));
}
