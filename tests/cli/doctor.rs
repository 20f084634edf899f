//! What `larm doctor` says of a stand-in for LXD.

use std::collections::BTreeMap;

use serde_json::Value;

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
    assert!(fix.contains("`lxc image copy larm-images:debian/12/cloud local: --vm "), "{fix}");
    let of_the_other_kind = runners("image = 'larm-debian12'\n");
    let (_, detail, fix) = &checks(&of_the_other_kind, &lxd, &[])["image"];
    assert_eq!(detail, "larm-debian12 is for a container, not a virtual-machine");
    assert!(fix.contains("--alias larm-debian12-vm`"), "{fix}");
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
    assert_eq!((&**status, &**detail), ("ok", "guests download r-1.tar.gz"));
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
