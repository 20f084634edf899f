//! `[services]`: what is read, and what is refused where it is written.

use std::fs;

use jiff::SignedDuration;
use secrecy::ExposeSecret;

use super::{error, read, written};
use crate::config::{Overrides, load};
use crate::model::{ExternalContributors, OnFailure};

#[test]
fn every_service_is_read_and_shown_as_it_was_written() {
    let (dir, file) = written("");
    let script = dir.path().join("pre");
    fs::write(&script, "#!/bin/sh\nexit 0\n").unwrap();
    let text = format!(
        r#"
        [runner]
        lifetime = "2d 1h"
        [services]
        dockerhub_mirror = "https://mirror.example/"
        external_contributors = "refuse"
        [services.proxy]
        http = "http://proxy.example:3128/"
        https = "http://10.0.0.1:3128"
        no_proxy = "example.org, .internal,10.0.0.0/8"
        use_aproxy = true
        aproxy_exclude = ["10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9"]
        aproxy_ports = ["80", "8000-8010"]
        [[services.ssh_debug]]
        host = "10.0.0.9"
        port = 10022
        rsa_fingerprint = "SHA256:abc+/="
        ed25519_fingerprint = "SHA256:def"
        [services.repo_policy]
        url = "http://policy.example/base"
        token_file = "/etc/larm/policy"
        [services.environment]
        GREETING = "it's \"$HOME\"\n\\ & é "
        [services.pre_job]
        script = "{}"
        on_failure = "ignore"
        timeout = "30s"
        "#,
        script.display()
    );
    fs::write(&file, text).unwrap();
    let settings = load(Some(&file), Overrides::default()).unwrap();
    assert_eq!(settings.runner.lifetime, SignedDuration::from_hours(49));
    let services = &settings.services;
    assert_eq!(services.dockerhub_mirror.as_deref(), Some("https://mirror.example"));
    assert_eq!(services.external_contributors, ExternalContributors::Refuse);
    let proxy = services.proxy.as_ref().unwrap();
    assert_eq!(proxy.http.as_deref(), Some("http://proxy.example:3128"));
    assert_eq!(proxy.no_proxy.as_deref(), Some("example.org,.internal,10.0.0.0/8"));
    assert_eq!(services.environment["GREETING"], "it's \"$HOME\"\n\\ & é ");
    let pre_job = &services.pre_job.as_ref().unwrap().script;
    assert_eq!(
        (pre_job.content.as_str(), pre_job.on_failure),
        ("#!/bin/sh\nexit 0\n", OnFailure::Ignore)
    );
    assert_eq!(pre_job.timeout, SignedDuration::from_secs(30));

    let shown = settings.shown().to_string();
    fs::write(&file, &shown).unwrap();
    let again = load(Some(&file), Overrides::default()).unwrap();
    assert_eq!(again.services, settings.services, "{shown}");
    assert_eq!(again.runner.lifetime, settings.runner.lifetime);
}

#[test]
fn what_services_cannot_be_is_told_with_its_line() {
    for (text, message) in [
        ("[services.proxy]\nuse_aproxy = true\n", ":2: `use_aproxy` needs a proxy"),
        ("[services.repo_policy]\nurl = 'http://a'\n", ":2: `url` is given without `token_file`"),
        ("[services.repo_policy]\ntoken_file = '/t'\n", ":2: `token_file` is given without `url`"),
        (
            "[services.pre_job]\nscript = '/nowhere/at/all'\n",
            ":2: the script /nowhere/at/all cannot be read",
        ),
        (
            "[services.post_job]\nscript = '/dev/null'\n",
            ":2: the script /dev/null is no regular file",
        ),
    ] {
        assert!(error(text).starts_with(message), "{}", error(text));
    }
    for (text, part) in [
        ("[services]\ndockerhub_mirror = 'http://a'\n", "by https only"),
        ("[services.proxy]\nhttp = 'http://me:pass@proxy'\n", "user name or password"),
        ("[services.proxy]\nhttp = 'http://a\"b'\n", "no http or https URL of a proxy"),
        ("[services.proxy]\nno_proxy = 'a b'\n", "no list of hosts"),
        ("[services.proxy]\naproxy_exclude = ['::1']\n", "no IPv4 address"),
        ("[services.proxy]\naproxy_exclude = ['10.0.0.9-10.0.0.1']\n", "no IPv4 address"),
        ("[services.proxy]\naproxy_ports = ['0']\n", "no port"),
        ("[services.proxy]\naproxy_ports = ['9-8']\n", "no port"),
        ("[services.environment]\n'A-B' = '1'\n", "no name of a variable"),
        ("[services.environment]\nPATH = '/bin'\n", "set by larm or the shell"),
        ("[services.environment]\nACTIONS_RUNNER_INPUT_TOKEN = 'x'\n", "set by larm or the shell"),
        ("[services.environment]\nA = \"\\u0000\"\n", "NUL"),
        ("[[services.ssh_debug]]\nhost = 'a.b'\n", "IP address"),
        (
            "[[services.ssh_debug]]\nhost = '10.0.0.1'\nport = 1\nrsa_fingerprint = 'MD5:ab'\n",
            "no fingerprint",
        ),
        ("[services]\nexternal_contributors = 'maybe'\n", "unknown variant"),
        ("[services]\nmirror = 'https://a'\n", "unknown field"),
    ] {
        let told = error(text);
        assert!(told.contains(part), "{text}: {told}");
        assert!(!told.contains("me:pass"), "{told}");
    }
}

#[test]
fn exceptions_without_a_proxy_are_dropped() {
    let settings =
        read("[services.proxy]\nno_proxy = 'example.org'\nuse_aproxy = false\n").unwrap();
    assert_eq!(settings.services.proxy, None);
}

#[test]
fn a_script_says_who_reads_it_and_is_not_too_long() {
    let (dir, file) = written("");
    let script = dir.path().join("script");
    fs::write(&file, format!("[services.pre_job]\nscript = '{}'\n", script.display())).unwrap();
    for (content, part) in [
        ("exit 0\n".to_owned(), "begin it with a line"),
        (format!("#!/bin/sh\n{}", "a".repeat(65_536)), "larger than 65536 bytes"),
    ] {
        fs::write(&script, content).unwrap();
        let told = load(Some(&file), Overrides::default()).unwrap_err().to_string();
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn the_policy_token_is_read_from_its_file_and_never_told() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, file) = written("");
    let token = dir.path().join("token");
    let text =
        format!("[services.repo_policy]\nurl = 'http://a/'\ntoken_file = '{}'\n", token.display());
    fs::write(&file, text).unwrap();
    let settings = load(Some(&file), Overrides::default()).unwrap();
    assert!(settings.services.read().is_err());
    fs::write(&token, "s3cret\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let services = settings.services.read().unwrap();
    let policy = services.repo_policy_compliance.as_ref().unwrap();
    assert_eq!((policy.token.expose_secret(), policy.url.as_str()), ("s3cret", "http://a"));
    assert!(!format!("{services:?} {settings:?} {}", settings.shown()).contains("s3cret"));
}
