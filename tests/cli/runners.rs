//! Runners, ordered and looked at with the command line.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::farm::Farm;
use crate::support::standin::guest::GuestPlan;

/// A standby that was made with the command line could not be given a credential with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_given_its_credential() {
    let farm = Farm::start();
    let standby = farm.json(&["runner", "create", "--standby", "--wait", "standby"]);
    let (id, name) = (standby["id"].as_str().unwrap(), standby["name"].as_str().unwrap());
    std::fs::write(farm.place.path("jit"), "c2VjcmV0").unwrap();
    std::fs::set_permissions(farm.place.path("jit"), Permissions::from_mode(0o600)).unwrap();
    let give = ["runner", "give", id, "--jit-config-file", "jit"];
    assert_eq!(farm.json(&give), json!({ "id": id, "name": name }));
    let waited = farm.json(&["runner", "show", id]);
    assert_ne!(waited["handover"], "none", "{waited}");
    let refused = farm.place.run(&[&give[..], &["--wait", "listening"]].concat());
    assert!(refused.starts_with("exit: 4\n"), "it has one: {refused}");
    assert!(farm.place.run(&["runner", "delete", id]).starts_with("exit: 0\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_given_and_waited_for() {
    let farm = Farm::start();
    let standby = farm.json(&["runner", "create", "--standby", "--wait", "standby"]);
    let id = standby["id"].as_str().unwrap();
    let give = ["runner", "give", id, "--registration-token-file", "-", "--github", "acme/web"];
    let output =
        farm.place.run_with_input(&[&give[..], &["--wait", "listening"]].concat(), "TOKEN");
    let name = standby["name"].as_str().unwrap();
    assert_eq!(output, format!("exit: 0\n----- stdout\n{name}\n----- stderr\n"));
    assert_eq!(farm.json(&["runner", "show", id])["phase"], "listening");
}

/// `runner logs NAME --json` printed names, and with a log's name it printed no JSON at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_json_where_that_is_asked_for() {
    let farm = Farm::start();
    farm.lxd.plan_next([GuestPlan { fail_boot: Some("no disk".into()), ..GuestPlan::default() }]);
    let gone = farm.json(&["runner", "create", "--standby", "--wait", "gone"]);
    let id = gone["id"].as_str().unwrap();
    assert_eq!(
        farm.json(&["runner", "logs", id, "--list"]),
        json!(["console.log", "runner.log", "status", "why.txt"])
    );
    let one = farm.json(&["runner", "logs", id, "console.log"]);
    assert_eq!(one["name"], "console.log");
    assert!(!one["text"].as_str().unwrap().is_empty(), "{one}");
    assert_eq!(farm.json(&["runner", "logs", id])[0], one);
}
