//! What `larm doctor` says of a stand-in for LXD.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use larm::lxd::{Client, ClientOptions, ImageSource, NewInstance};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::run::Place;
use crate::support::standin::guest::GuestPlan;
use crate::support::standin::{StandIn, StandInOptions};

/// What doctor says, by the checks' names: the status, the detail, the fix.
type Checks = BTreeMap<String, (String, String, String)>;

fn checks(place: &Place, lxd: &StandIn, arguments: &[&str]) -> Checks {
    let mut command = place.command(&["doctor", "--json"]);
    let output = command.args(arguments).arg("--lxd-socket").arg(lxd.socket()).output().unwrap();
    let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |check: &Value, field: &str| {
        check.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let checks = told.iter().map(|check| {
        let rest = (text(check, "status"), text(check, "detail"), text(check, "fix"));
        (text(check, "name"), rest)
    });
    checks.collect()
}

fn runners(text: &str) -> Place {
    Place::with_config(&format!(
        "[lxd]\nproject = 'default'\n[runner]\nprofiles = ['default']\n{text}"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_image_comes_with_commands() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    let virtual_machines = runners("image = 'mine'\n");
    let (status, detail, fix) = &checks(&virtual_machines, &lxd, &[])["image"];
    assert_eq!((&**status, &**detail), ("fail", "there is no image mine"));
    assert!(fix.contains("`lxc image copy ubuntu:24.04 local: --vm "), "{fix}");
    let of_the_other_kind = runners("image = 'larm-debian12'\n");
    let (_, detail, fix) = &checks(&of_the_other_kind, &lxd, &[])["image"];
    assert_eq!(detail, "larm-debian12 is for a container, not a virtual-machine");
    assert!(fix.contains("--alias larm-ubuntu24-vm`"), "{fix}");
}

/// Neither a URL nor the application in the image: every runner fails, and nothing said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_without_the_runner_application_is_found() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    let place = runners("type = 'container'\n");
    let (status, _, fix) = &checks(&place, &lxd, &[])["runner application"];
    assert_eq!(status, "warn");
    assert!(fix.contains("`larm doctor --deep`"), "{fix}");
    let (status, _, fix) = &checks(&place, &lxd, &["--deep"])["runner application"];
    assert_eq!(status, "fail");
    assert!(fix.starts_with("set `url` and `sha256` in [runner]"), "{fix}");
    assert!(lxd.instances().is_empty());
    let sum = "0".repeat(64);
    let told = runners(&format!("url = 'https://example.org/r-1.tar.gz'\nsha256 = '{sum}'\n"));
    let (status, detail, _) = &checks(&told, &lxd, &[])["runner application"];
    assert_eq!(
        (&**status, &**detail),
        ("ok", "this host fetches r-1.tar.gz and gives it to guests")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_never_comes_up_is_told_from_other_failures() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    let place = runners("image = 'larm-debian12-vm'\n[deadlines]\nboot = '1s'\n");
    let good = checks(&place, &lxd, &["--deep"]);
    assert_eq!(good["agent"].0, "ok");
    assert_eq!(good["cloud-init"].0, "fail", "the stand-in's guests have no curl");
    lxd.plan_next([GuestPlan { no_agent: true, ..GuestPlan::default() }]);
    let bad = checks(&place, &lxd, &["--deep"]);
    let (status, detail, fix) = &bad["agent"];
    assert_eq!((&**status, &**detail), ("fail", "it did not come up within 1s"));
    assert!(fix.contains("`lxc image copy ") && fix.contains("`lxd-agent`"), "{fix}");
    lxd.faults().change(|faults| {
        faults.failing.push(("Starting instance".to_owned(), "no luck today".to_owned()));
    });
    let broken = checks(&place, &lxd, &["--deep"]);
    assert!(!broken.contains_key("agent"));
    let (status, detail, _) = &broken["instance"];
    assert!(status == "fail" && detail.contains("no luck today"), "{detail}");
    assert!(lxd.instances().is_empty());
}

/// Starts a look inside, interrupts it when LXD was asked for something, and returns how it ended.
async fn interrupted(place: &Place, lxd: &StandIn, when: impl Fn(&StandIn) -> bool) -> String {
    let arguments = ["doctor", "--deep", "--lxd-socket", lxd.socket().to_str().unwrap()];
    let mut command = place.command(&arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while !when(lxd) {
        assert!(Instant::now() < patience, "{:?}", lxd.requests());
        sleep(Duration::from_millis(5)).await;
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    place.shown(&child.wait_with_output().unwrap())
}

/// Ctrl-C during the boot left the instance running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_look_inside_leaves_nothing() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    let place = runners("image = 'larm-debian12-vm'\n");
    lxd.plan_next([GuestPlan { no_agent: true, ..GuestPlan::default() }]);
    let boots = |lxd: &StandIn| lxd.instances().iter().any(|one| one.status == "Running");
    assert_snapshot!(interrupted(&place, &lxd, boots).await, @"
    exit: 130
    ----- stdout
    ----- stderr
    error: interrupted: the throw-away instance was removed

    hint: `larm doctor` without --deep starts nothing
    ");
    assert!(lxd.instances().is_empty());
}

/// While LXD makes the instance there is none to remove yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_being_made_is_waited_for_and_removed() {
    let create_time = Duration::from_millis(500);
    let lxd = StandIn::start(StandInOptions { create_time, ..StandInOptions::default() }).unwrap();
    let place = runners("type = 'container'\n");
    let ordered = |lxd: &StandIn| lxd.requests().iter().any(|request| request.method == "POST");
    let ended = interrupted(&place, &lxd, ordered).await;
    assert!(ended.starts_with("exit: 130\n"), "{ended}");
    sleep(create_time).await;
    assert!(lxd.instances().is_empty());
}

/// A run that was killed outright has removed nothing; the next one tells of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_look_inside_has_left_is_told() {
    let lxd = StandIn::start(StandInOptions::default()).unwrap();
    let client = Client::new(ClientOptions::new(lxd.socket()));
    let place = runners("type = 'container'\n");
    assert!(!checks(&place, &lxd, &[]).contains_key("leftovers"));
    for (name, description) in [
        // No process has a number as high as this (proc(5), `pid_max`).
        ("larm-doctor-99999999", "larm doctor: throw-away"),
        ("larm-doctor-99999998", "somebody's own"),
    ] {
        let instance = NewInstance {
            name: name.to_owned(),
            image: ImageSource::Alias("larm-debian12".to_owned()),
            profiles: vec!["default".to_owned()],
            description: description.to_owned(),
            ..NewInstance::default()
        };
        let operation = client.create_instance(&instance).await.unwrap();
        client.wait(&operation, Duration::from_secs(20)).await.unwrap();
    }
    let (status, _, fix) = &checks(&place, &lxd, &[])["leftovers"];
    assert_eq!(status, "warn");
    assert_eq!(fix, "`lxc delete --force larm-doctor-99999999 --project default`");
}
