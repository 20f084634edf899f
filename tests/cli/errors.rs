//! What goes wrong, and what is said about it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::run::Place;

#[test]
fn a_wrong_command() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runer", "list"]), @r#"
    exit: 2
    ----- stdout
    ----- stderr
    error: unrecognized subcommand 'runer'

      tip: a similar subcommand exists: 'runner'

    Usage: larm [OPTIONS] <COMMAND>

    For more information, try '--help'.
    "#);
}

#[test]
fn no_credential() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "create"]), @r#"
    exit: 2
    ----- stdout
    ----- stderr
    error: the following required arguments were not provided:
      <--jit-config-file <FILE>|--registration-token-file <FILE>|--standby>

    Usage: larm runner create --jit-config-file <FILE> [OPTIONS]
           larm runner create --registration-token-file <FILE> --github <PATH> [OPTIONS]
           larm runner create --standby [OPTIONS]

    For more information, try '--help'.
    "#);
}

#[test]
fn two_credentials() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "create", "--standby", "--jit-config-file", "x"]), @r#"
    exit: 2
    ----- stdout
    ----- stderr
    error: the argument '--standby' cannot be used with '--jit-config-file <FILE>'

    Usage: larm runner create --jit-config-file <FILE> [OPTIONS]
           larm runner create --registration-token-file <FILE> --github <PATH> [OPTIONS]
           larm runner create --standby [OPTIONS]

    For more information, try '--help'.
    "#);
}

#[test]
fn a_wrong_phase() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "create", "--standby", "--wait", "asleep"]), @r#"
    exit: 2
    ----- stdout
    ----- stderr
    error: invalid value 'asleep' for '--wait <PHASE>': "asleep" is no phase: phases are planned, creating, booting, standby, listening, busy, finished, failed, deleting, gone

    For more information, try '--help'.
    "#);
}

#[test]
fn a_token_without_its_place() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "create", "--registration-token-file", "x"]), @r#"
    exit: 2
    ----- stdout
    ----- stderr
    error: the following required arguments were not provided:
      --github <PATH>

    Usage: larm runner create --jit-config-file <FILE> [OPTIONS]
           larm runner create --registration-token-file <FILE> --github <PATH> [OPTIONS]
           larm runner create --standby [OPTIONS]

    For more information, try '--help'.
    "#);
}

#[test]
fn no_daemon() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "list"]), @r#"
    exit: 5
    ----- stdout
    ----- stderr
    error: failed to reach larm's daemon on [DIR]/control.sock
      because: No such file or directory (os error 2)

    hint: start it: `systemctl start larm`, or `larm serve` in another terminal
    "#);
}

#[test]
fn no_lxd() {
    let place = Place::new();
    assert_snapshot!(place.run(&["setup"]), @r#"
    exit: 5
    ----- stdout
    ----- stderr
    error: cannot ask the server what it is in project larm: there is no LXD socket at [DIR]/lxd.sock
      because: the connection could not be made
      because: No such file or directory (os error 2)

    hint: is LXD installed and running? `larm setup` prepares a host; --lxd-socket names another socket
    "#);
}

#[test]
fn no_lxd_for_a_shell() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "shell", "larm-3f9c1a2b4d5e"]), @r#"
    exit: 5
    ----- stdout
    ----- stderr
    error: cannot run sh in instance larm-3f9c1a2b4d5e in project larm: there is no LXD socket at [DIR]/lxd.sock
      because: the connection could not be made
      because: No such file or directory (os error 2)

    hint: is LXD installed and running? `larm setup` prepares a host; --lxd-socket names another socket
    "#);
}

#[test]
fn no_configuration() {
    let place = Place::new();
    assert_snapshot!(place.run(&["--config", "nope.toml", "doctor"]), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: could not read the configuration nope.toml
      because: No such file or directory (os error 2)

    hint: make nope.toml, or leave it out: larm has defaults
    "#);
}

#[test]
fn a_wrong_key() {
    let place = Place::with_config(
        r#"name_prefix = "ci"
colour = "x"
"#,
    );
    assert_snapshot!(place.run(&["doctor"]), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: [DIR]/larm.toml:2: TOML parse error at line 2, column 1
      |
    2 | colour = ***
      | ^^^^^^
    unknown field `colour`, expected one of `name_prefix`, `state_dir`, `control_socket`, `control_group`, `log`, `lxd`, `runner`, `deadlines`, `limits`, `logs`, `github`, `connection`, `webhook`, `metrics`, `host`, `events`, `image`, `services`, `isolation`, `pool`
    "#);
}

#[test]
fn a_wrong_value() {
    let place = Place::with_config(
        r#"[runner]
type = "vm"
"#,
    );
    assert_snapshot!(place.run(&["serve"]), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: [DIR]/larm.toml:2: TOML parse error at line 2, column 8
      |
    2 | type = "vm"
      |        ^^^^
    unknown variant `vm`, expected `virtual-machine` or `container`
    "#);
}

#[test]
fn a_missing_secret() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "create", "--jit-config-file", "nope"]), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: could not read the credential file nope
      because: No such file or directory (os error 2)
    "#);
}

#[test]
fn an_empty_secret() {
    let place = Place::new();
    assert_snapshot!(place.run_with_input(&["runner", "create", "--jit-config-file", "-"], ""), @r#"
    exit: 1
    ----- stdout
    ----- stderr
    error: the credential file /dev/stdin is empty
    "#);
}

/// A secret stands where it does not belong: in no message may it turn up.
#[test]
fn secrets_are_not_repeated() {
    let place = Place::new();
    let output = place.run_with_input(&["runner", "create", "--jit-config-file", "-"], "S3CRET");
    assert!(output.starts_with("exit: 5\n") && !output.contains("S3CRET"), "{output}");
    std::fs::write(place.path("token"), "S3CRET").unwrap();
    std::fs::set_permissions(place.path("token"), Permissions::from_mode(0o644)).unwrap();
    let output = place.run(&["runner", "create", "--jit-config-file", "token"]);
    assert!(output.contains("hint: `chmod 600 token`") && !output.contains("S3CRET"), "{output}");
}

/// `larm runner create --jit-config-file - < token` was refused where others might read the file
/// `token`, with the advice to `chmod 600 /dev/stdin`.
#[test]
fn a_secret_on_standard_input_may_come_from_any_file() {
    let place = Place::new();
    std::fs::write(place.path("token"), "S3CRET").unwrap();
    std::fs::set_permissions(place.path("token"), Permissions::from_mode(0o644)).unwrap();
    for name in ["-", "/dev/stdin"] {
        let output = place.run_with_file(&["runner", "create", "--jit-config-file", name], "token");
        assert!(output.starts_with("exit: 5\n"), "it is read, and no daemon is there: {output}");
    }
}

/// It waited in silence.
#[test]
fn a_secret_from_a_terminal_is_asked_for() {
    let place = Place::new();
    let typed =
        place.run_at_a_terminal(&["runner", "create", "--jit-config-file", "-"], b"S3CRET\n\x04");
    assert!(typed.starts_with("exit: 5\n"), "{typed}");
    assert!(typed.contains("\npaste the credential, then press Enter and Ctrl-D\n"), "{typed}");
}

/// Whoever reads the output may stop reading: that is no failure and needs no words.
#[test]
fn a_closed_pipe_is_quiet() {
    let place = Place::new();
    let mut child = place
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
