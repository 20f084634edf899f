//! `larm init`: a first configuration from flags and from answers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use insta::assert_snapshot;

use crate::run::Place;

/// A place with the files that a user may have.
fn furnished() -> Place {
    let place = Place::new();
    secret(&place, "my-token", "ghp_S3CRET\n");
    secret(&place, "app.pem", "-----BEGIN PRIVATE KEY-----\nS3CRET\n-----END PRIVATE KEY-----\n");
    place
}

fn secret(place: &Place, name: &str, text: &str) {
    fs::write(place.path(name), text).unwrap();
    fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What was written, with the place cut out.
fn config(place: &Place) -> String {
    let text = fs::read_to_string(place.path("etc/larm.toml")).unwrap();
    text.replace(place.path("").to_str().unwrap(), "[DIR]/")
}

/// What GitHub says is in `github.rs`.
const INIT: [&str; 4] = ["--config", "etc/larm.toml", "init", "--no-check"];

fn init<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&INIT, arguments].concat()
}

#[test]
fn flags_say_all() {
    let place = furnished();
    let told = place.run(&init(&["--github", "acme/web", "--token-file", "my-token", "--yes"]));
    assert_snapshot!(told, @r#"
    exit: 0
    ----- stdout
    the configuration is in [DIR]/etc/larm.toml
    ----- stderr
    next: `larm doctor` checks this machine, `larm serve` starts the farm
    "#);
    assert_snapshot!(config(&place), @r#"
    # The configuration of larm, the LXD Actions Runner Manager. `larm config show` prints all keys with
    # what holds now, defaults included; `larm config check` looks for errors.

    # What runners are made from. Each pool may have its own.
    [runner]
    # "virtual-machine", or "container": that shares this machine's kernel, so run only code you trust.
    type = "virtual-machine"
    # The image's alias in LXD.
    image = "larm-ubuntu24-vm"
    # Limits of an instance; those of its LXD profiles without them.
    # cpu = 2
    # memory = "4GiB"
    # disk = "20GiB"

    # The account at GitHub. More of them: [connection.NAME] with the same keys.
    [github]
    # The file with the token: one line, and readable for nobody else.
    token_file = "[DIR]/my-token"
    # How often GitHub is asked for queued jobs; "off" where webhooks are enough.
    # poll = "30s"

    # Runners of one kind. There may be several [[pool]] tables, each with a name of its own.
    [[pool]]
    name = "default"
    # Where they register: OWNER/REPOSITORY or ORGANISATION.
    github = "acme/web"
    # What jobs ask for with `runs-on`, beside self-hosted, linux and the architecture.
    # labels = ["small"]
    # How many there may be at once.
    max = 4
    # How many are registered and wait for a job.
    min_idle = 0
    "#);
    assert_eq!(mode(&place.path("etc/larm.toml")), 0o644);
    let checked = place.run(&["--config", "etc/larm.toml", "config", "check"]);
    assert!(checked.starts_with("exit: 0\n"), "{checked}");
}

#[test]
fn an_app_on_a_server_of_ones_own() {
    let place = furnished();
    let told = place.run(&init(&[
        "--github=acme",
        "--app-id=Iv23.x",
        "--app-key-file=app.pem",
        "--url=https://github.acme.com",
        "--type=container",
        "--image=my \"image\"",
        "--max=8",
        "--min-idle=2",
    ]));
    assert!(told.contains("error: --image: ") && told.contains("is no image alias"), "{told}");
    assert!(!told.contains(".new"), "the draft's name helps nobody: {told}");
    assert_eq!(fs::read_dir(place.path("etc")).unwrap().count(), 0, "the draft is gone");
    let told = place.run(&init(&[
        "--github=acme",
        "--app-id=Iv23.x",
        "--app-key-file=app.pem",
        "--url=https://github.acme.com",
        "--type=container",
        "--image=a\"b",
        "--max=8",
        "--min-idle=2",
        "--json",
    ]));
    assert_snapshot!(told, @r#"
    exit: 0
    ----- stdout
    {
      "config": "[DIR]/etc/larm.toml",
      "token_file": null,
      "backup": null
    }
    ----- stderr
    "#);
    let shown = place.run(&["--config", "etc/larm.toml", "config", "show"]);
    for line in [
        "github = \"acme\"",
        "app_id = \"Iv23.x\"",
        "app_key_file = \"[DIR]/app.pem\"",
        "url = \"https://github.acme.com\"",
        "image = 'a\"b'",
        "type = \"container\"",
        "max = 8",
        "min_idle = 2",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is missing in {shown}");
    }
}

#[test]
fn a_token_from_a_pipe_gets_a_file_of_its_own() {
    let place = furnished();
    let told =
        place.run_with_input(&init(&["--github", "acme/web", "--token-file", "-"]), "ghp_S3CRET\n");
    assert_snapshot!(told, @r#"
    exit: 0
    ----- stdout
    the token is in [DIR]/etc/token
    the configuration is in [DIR]/etc/larm.toml
    ----- stderr
    next: `larm doctor` checks this machine, `larm serve` starts the farm
    "#);
    let token = place.path("etc/token");
    assert_eq!((fs::read_to_string(&token).unwrap().as_str(), mode(&token)), ("ghp_S3CRET", 0o600));
    assert!(!config(&place).contains("S3CRET"));
}

#[test]
fn nobody_to_ask() {
    let place = furnished();
    assert_snapshot!(place.run(&init(&["--github", "acme/web"])), @r#"
    exit: 2
    ----- stdout
    ----- stderr
    error: there is nobody to ask where runners register and how larm signs in

    hint: give `--github PATH`, and `--token-file FILE` or `--app-id ID --app-key-file FILE`
    "#);
    assert!(!place.path("etc").exists());
}

#[test]
fn wrong_flags_write_nothing() {
    let place = furnished();
    let target = ["--github", "acme/web", "--token-file", "my-token"];
    let told = place.run(&init(&[&target[..], &["--max", "2", "--min-idle", "3"]].concat()));
    assert_snapshot!(told, @"
    exit: 2
    ----- stdout
    ----- stderr
    error: --min-idle: `min_idle` is 3, but `max` is only 2

    hint: nothing was written; see `larm init --help`
    ");
    assert_eq!(fs::read_dir(place.path("etc")).unwrap().count(), 0, "the draft is gone");
    let told = place.run(&init(&["--github", "acme/web", "--token-file", "app.pem"]));
    assert!(told.contains("app.pem has more than one line") && !told.contains("S3CRET"), "{told}");
    let told = place.run(&init(&["--github", "a/b/c", "--token-file", "my-token"]));
    assert!(told.starts_with("exit: 2\n") && told.contains("is no GitHub path"), "{told}");
}

#[test]
fn what_is_there_is_kept() {
    let place = furnished();
    let flags = init(&["--github", "acme/web", "--token-file", "my-token"]);
    fs::create_dir(place.path("etc")).unwrap();
    fs::write(place.path("etc/larm.toml"), "log = \"debug\"\n").unwrap();
    assert_snapshot!(place.run(&flags), @r#"
    exit: 4
    ----- stdout
    ----- stderr
    error: [DIR]/etc/larm.toml is there already

    hint: --force replaces it; of a configuration a copy is kept
    "#);
    let forced = place.run(&[&flags[..], &["--force"]].concat());
    assert_snapshot!(forced, @r#"
    exit: 0
    ----- stdout
    the old configuration is in [DIR]/etc/larm.toml.bak
    the configuration is in [DIR]/etc/larm.toml
    ----- stderr
    next: `larm doctor` checks this machine, `larm serve` starts the farm
    "#);
    let kept = fs::read_to_string(place.path("etc/larm.toml.bak")).unwrap();
    assert_eq!(kept, "log = \"debug\"\n");
    assert!(config(&place).contains("[[pool]]"));
    let names = fs::read_dir(place.path("etc")).unwrap().count();
    assert_eq!(names, 2, "nothing is left behind");
}

#[test]
fn a_talk_about_a_token() {
    let place = furnished();
    let told = place.converse(
        &INIT,
        &[
            ("REPOSITORY or ORGANISATION)?", "acme/web/x"),
            ("REPOSITORY or ORGANISATION)?", "acme/web"),
            ("as an app? [token]", ""),
            ("The token", "ghp_S3 CRET"),
            ("The token", "ghp_S3CRET"),
            ("virtual-machine or container?", "container"),
            ("Which image", ""),
            ("at most?", "0"),
            ("at most?", "3"),
            ("ready at once?", "4"),
            ("ready at once?", "1"),
            ("Write ", "y"),
        ],
    );
    assert_snapshot!(told, @r#"
    exit: 0
    ----- stdout
    the token is in [DIR]/etc/token
    the configuration is in [DIR]/etc/larm.toml
    ----- stderr
    Where do runners register (OWNER/REPOSITORY or ORGANISATION)? acme/web/x
      "acme/web/x" is no GitHub path: write ORGANISATION or OWNER/REPOSITORY
    Where do runners register (OWNER/REPOSITORY or ORGANISATION)? acme/web
    How does larm sign in: with a token or as an app? [token]
    The token (it is not shown; Enter alone to name a file)?
      a token is one word
    The token (it is not shown; Enter alone to name a file)?
    What are runners: virtual-machine or container? [virtual-machine] container
    Which image (its alias in LXD)? [larm-debian12]
    How many runners at most? [4] 0
      write a number from 1 to 65535
    How many runners at most? [4] 3
    How many of them wait for jobs, ready at once? [0] 4
      write a number from 0 to 3
    How many of them wait for jobs, ready at once? [0] 1
    Write [DIR]/etc/larm.toml? [y/N] y
    next: `larm doctor` checks this machine, `larm serve` starts the farm
    "#);
    let token = place.path("etc/token");
    assert_eq!((fs::read_to_string(&token).unwrap().as_str(), mode(&token)), ("ghp_S3CRET", 0o600));
    let config = config(&place);
    for line in ["token_file = \"[DIR]/etc/token\"", "type = \"container\"", "min_idle = 1"] {
        assert!(config.lines().any(|written| written == line), "{line} is missing in {config}");
    }
}

#[test]
fn a_talk_about_files() {
    let place = furnished();
    let told = place.converse(
        &init(&["--github=acme", "--type=vm", "--max=2", "--min-idle=0", "--image=x"]),
        &[
            ("as an app? [token]", "app"),
            ("client id?", "123456"),
            ("private key (PEM)?", "nope.pem"),
            ("private key (PEM)?", "app.pem"),
            ("Write ", "n"),
        ],
    );
    assert_snapshot!(told, @r#"
    exit: 4
    ----- stdout
    ----- stderr
    How does larm sign in: with a token or as an app? [token] app
    The App's id or client id? 123456
    The file with its private key (PEM)? nope.pem
      could not read the credential file nope.pem: No such file or directory (os error 2)
    The file with its private key (PEM)? app.pem
    Write [DIR]/etc/larm.toml? [y/N] n
    error: nothing was written, as nobody agreed

    hint: `larm init --yes` asks nothing; `larm init --help` tells what it needs then
    "#);
    assert_eq!(fs::read_dir(place.path("etc")).unwrap().count(), 0, "nothing is written");
    let told = place.converse(
        &init(&["--github=acme", "--type=vm", "--max=2", "--min-idle=0", "--image=x"]),
        &[
            ("as an app? [token]", "token"),
            ("Enter alone to name a file)?", ""),
            ("The file with the token?", "my-token"),
            ("Write ", "yes"),
        ],
    );
    assert!(told.starts_with("exit: 0\n"), "{told}");
    assert!(config(&place).contains("token_file = \"[DIR]/my-token\""));
}

#[test]
fn whoever_leaves_leaves_no_trace() {
    let place = furnished();
    let told = place.converse(&INIT, &[("REPOSITORY or ORGANISATION)?", "acme\n\u{4}")]);
    assert!(told.starts_with("exit: 4\n") && told.contains("nothing was written"), "{told}");
    assert!(!place.path("etc").exists());
}
