//! `larm config`: what is said of the configuration files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::run::Place;

const POOLS: &str = r#"
[runner]
image = "noble"
[github]
token_file = "token"
[host]
memory_reserve = "1024MiB"
[[pool]]
name = "small"
github = "acme/web"
labels = ["Small"]
[[pool]]
name = "big"
github = "acme"
cpu = 8
"#;

#[test]
fn a_right_configuration() {
    let place = Place::with_config(POOLS);
    assert_snapshot!(place.run(&["config", "check"]), @r#"
    exit: 0
    ----- stdout
    the configuration is right; it has the pools small, big
    ----- stderr
    "#);
    assert_snapshot!(place.run(&["config", "check", "--json"]), @r#"
    exit: 0
    ----- stdout
    {
      "ok": true,
      "problems": []
    }
    ----- stderr
    "#);
}

#[test]
fn values_that_do_not_fit() {
    let place = Place::with_config(POOLS);
    fs::create_dir(place.path("larm.d")).unwrap();
    fs::write(place.path("larm.d/a.toml"), "[[pool]]\nname = \"big\"\nmin_idle = 9\n").unwrap();
    fs::write(place.path("larm.d/b.toml"), "[[pool]]\nname = \"new\"\n").unwrap();
    assert_snapshot!(place.run(&["config", "check"]), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: [DIR]/larm.d/a.toml:3: `min_idle` is 9, but the default of `max` is only 4
    [DIR]/larm.d/b.toml:2: the pool "new" has no `github`: say where its runners register, OWNER/REPOSITORY or ORGANISATION
    "#);
    assert_snapshot!(place.run(&["config", "check", "--json"]), @r#"
    exit: 1
    ----- stdout
    {
      "ok": false,
      "problems": [
        {
          "file": "[DIR]/larm.d/a.toml",
          "line": 3,
          "message": "`min_idle` is 9, but the default of `max` is only 4"
        },
        {
          "file": "[DIR]/larm.d/b.toml",
          "line": 2,
          "message": "the pool \"new\" has no `github`: say where its runners register, OWNER/REPOSITORY or ORGANISATION"
        }
      ]
    }
    ----- stderr
    "#);
}

#[test]
fn a_wrong_value() {
    let place = Place::with_config("[[pool]]\nname = \"small\"\nmax = \"4\"\n");
    assert_snapshot!(place.run(&["config", "show"]), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: [DIR]/larm.toml:3: TOML parse error at line 3, column 7
      |
    3 | max = "4"
      |       ^^^
    invalid type: string "4", expected a nonzero u16
    "#);
    assert_snapshot!(place.run(&["config", "check", "--json"]), @r#"
    exit: 1
    ----- stdout
    {
      "ok": false,
      "problems": [
        {
          "file": "[DIR]/larm.toml",
          "line": 3,
          "message": "invalid type: string \"4\", expected a nonzero u16"
        }
      ]
    }
    ----- stderr
    "#);
}

#[test]
fn a_secret_that_everybody_may_read() {
    let place = Place::new();
    let token = place.path("token");
    fs::write(&token, "S3CRET").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!("[github]\ntoken_file = \"{}\"\n", token.display());
    fs::write(place.path("larm.toml"), text).unwrap();
    assert_snapshot!(place.run(&["config", "check"]), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: the credential file [DIR]/token is open to everybody (mode 644)

    hint: `chmod 600 [DIR]/token`
    "#);
}

/// systemd's credentials are there for the service alone.
#[test]
fn a_credential_of_the_service() {
    let place = Place::with_config(POOLS);
    let mut command = place.command(&["config", "check"]);
    command.env("CREDENTIALS_DIRECTORY", place.path("credentials"));
    assert_snapshot!(place.shown(&command.output().unwrap()), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: could not read the credential file [DIR]/credentials/token
      because: No such file or directory (os error 2)
    "#);
    fs::create_dir(place.path("credentials")).unwrap();
    fs::write(place.path("credentials/token"), "S3CRET").unwrap();
    fs::set_permissions(place.path("credentials/token"), fs::Permissions::from_mode(0o400))
        .unwrap();
    assert!(place.shown(&command.output().unwrap()).starts_with("exit: 0\n"));
}

#[test]
fn what_holds_is_a_configuration_that_means_the_same() {
    let place = Place::with_config(POOLS);
    let shown = place.run(&["config", "show"]);
    assert!(shown.starts_with("exit: 0\n"), "{shown}");
    for line in [
        "[[pool]]",
        "name = \"small\"",
        "image = \"noble\"",
        "memory_reserve = \"1GiB\"",
        "token_file = \"token\"",
        "boot = \"5m\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is missing in {shown}");
    }
    let (_, text) = shown.split_once("----- stdout\n").unwrap();
    let (text, _) = text.split_once("----- stderr\n").unwrap();
    let text = text.replace("[DIR]", place.path("").to_str().unwrap().trim_end_matches('/'));
    fs::write(place.path("larm.toml"), text).unwrap();
    assert_eq!(place.run(&["config", "show"]), shown);
    let json = place.command(&["config", "show", "--json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.pointer("/pool/1/cpu"), Some(&8.into()));
}
