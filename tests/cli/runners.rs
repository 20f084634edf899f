//! Runners, ordered and looked at with the command line.

use serde_json::json;

use crate::farm::Farm;
use crate::support::standin::guest::GuestPlan;

/// `runner logs NAME --json` printed names, and with a log's name it printed no JSON at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_json_where_that_is_asked_for() {
    let farm = Farm::start();
    farm.lxd.plan_next([GuestPlan { fail_boot: Some("no disk".into()), ..GuestPlan::default() }]);
    let gone = farm.json(&["runner", "create", "--standby", "--wait", "gone"]);
    let id = gone["id"].as_str().unwrap();
    assert_eq!(farm.json(&["runner", "logs", id, "--list"]), json!(["console.log", "guest.log"]));
    let one = farm.json(&["runner", "logs", id, "console.log"]);
    assert_eq!(one["name"], "console.log");
    assert!(!one["text"].as_str().unwrap().is_empty(), "{one}");
    assert_eq!(farm.json(&["runner", "logs", id])[0], one);
}
