//! `larm image`: what goes wrong before anything is made.

use insta::assert_snapshot;

use crate::run::Place;
use crate::support::standin::{StandIn, StandInOptions};

#[test]
fn a_wrong_recipe_is_told_with_its_line() {
    let place = Place::new();
    std::fs::write(place.path("r.toml"), "docker = false\npackage = [\"git\"]\n").unwrap();
    let said = place.run(&["image", "build", "--recipe", "r.toml"]);
    assert!(said.starts_with("exit: 1\n"), "{said}");
    assert!(said.contains("r.toml:2: "), "{said}");
    assert!(said.contains("unknown field `package`"), "{said}");
}

#[test]
fn a_remote_that_nobody_knows() {
    let place = Place::new();
    assert_snapshot!(place.run(&["image", "build", "--base", "ubunto:24.04"]), @r#"
    exit: 2
    ----- stdout
    ----- stderr
    error: "ubunto" is no image server: larm knows ubuntu, ubuntu-daily, images and https://SERVER
    "#);
}

#[test]
fn without_lxd() {
    let place = Place::new();
    for command in [&["image", "build"][..], &["image", "list"], &["image", "prune"]] {
        let said = place.run(command);
        assert!(said.starts_with("exit: 5\n"), "{said}");
        assert!(said.contains("there is no LXD socket at"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_and_what_is_not_ours() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let socket = lxd.socket().to_str().unwrap().to_owned();
        place.run(&[arguments, &["--lxd-socket", &socket]].concat())
    };
    let said = run(&["image", "rollback", "larm-debian12"]);
    assert_snapshot!(said, @r"
    exit: 3
    ----- stdout
    ----- stderr
    error: there is no image larm-debian12 that `larm image build` has made

    hint: `larm image list` shows those that are there
    ");
    assert_snapshot!(run(&["image", "list"]), @r"
    exit: 0
    ----- stdout
    ALIAS  GENERATION  STANDING  FINGERPRINT  SIZE  BASE  RUNNER  BUILT  DIES
    ----- stderr
    there are none: `larm image build` makes the first one
    ");
    assert!(run(&["image", "show", "a@x"]).starts_with("exit: 2\n"));
    std::fs::write(place.path("r.toml"), "application = false\n").unwrap();
    let build = ["image", "build", "--recipe", "r.toml", "--alias", "larm-debian12"];
    assert_snapshot!(run(&build), @r"
    exit: 4
    ----- stdout
    ----- stderr
    error: failed to look at the base
      because: the alias larm-debian12 names an image that `larm image build` has not made

    hint: build under another alias: --alias NAME
    ");
}
