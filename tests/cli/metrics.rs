//! `larm metrics`, `GET /metrics`, and the files that are made for it: the page of all names, the
//! dashboard, the alert rules.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use serde_json::Value;

use crate::farm::{Farm, on_containers};
use crate::run::Place;
use crate::support::promtool::{clean, promtool};
use crate::support::standin::guest::GuestPlan;

const PAGE: &str = include_str!("../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../dashboards/larm.json");
const ALERTS: &str = include_str!("../../dashboards/alerts.yml");

/// The port that the daemon at this place says it has found for metrics.
fn port_of(place: &Place) -> u16 {
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let line = log.lines().find(|line| line.contains("metrics are served")).unwrap();
    let (_, port) = line.rsplit_once("address=127.0.0.1:").unwrap();
    port.trim().parse().unwrap()
}

fn with_port(place: &Place, port: u16) {
    let file = place.path("larm.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}[metrics]\nlisten = '127.0.0.1:{port}'\n")).unwrap();
}

/// What is answered over TCP, head and body.
fn look(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn text(farm: &Farm) -> String {
    let output = farm.place.command(&["metrics"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Each family and its type.
fn types(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    lines.filter_map(pair).collect()
}

/// Each name on the page, its type and its labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut all = BTreeMap::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let cell = |number: usize| *cells.get(number).unwrap();
        let (names, kind, labels) = (cell(0), cell(1), cell(2));
        let labels = labels.split(", ").filter(|one| !one.is_empty()).map(str::to_owned);
        let labels: BTreeSet<String> = labels.collect();
        for name in names.split(", ") {
            let known = (kind.to_owned(), labels.clone());
            assert!(all.insert(name.trim_matches('`').to_owned(), known).is_none(), "{name} twice");
        }
    }
    all
}

/// The name of the family that a sample belongs to.
fn family<'a>(name: &'a str, types: &BTreeMap<String, String>) -> &'a str {
    let ends = ["_bucket", "_sum", "_count"].iter();
    let bases = ends.filter_map(|end| name.strip_suffix(end));
    let of_histogram = |base: &&str| types.get(*base).is_some_and(|kind| kind == "histogram");
    bases.into_iter().find(of_histogram).unwrap_or(name)
}

/// The metrics that an expression of `PromQL` names.
fn named(expression: &str) -> BTreeSet<String> {
    let mut plain = String::new();
    let (mut depth, mut quoted) = (0, false);
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            c if depth == 0 && !quoted => plain.push(c),
            _ => {}
        }
    }
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let mut names = BTreeSet::new();
    let mut grouping = false;
    for (at, word) in words(&plain, is_part) {
        let after = plain.get(at + word.len()..).unwrap().trim_start();
        if after.starts_with('(') {
            grouping = ["by", "on", "without", "ignoring"].contains(&word);
        } else if word.contains('_') && !grouping {
            names.insert(word.to_owned());
        } else if after.starts_with(')') {
            grouping = false;
        }
    }
    names
}

fn words(text: &str, is_part: impl Fn(char) -> bool) -> Vec<(usize, &str)> {
    let mut at = 0;
    let mut parts = Vec::new();
    for part in text.split_inclusive(|c| !is_part(c)) {
        let word = part.trim_end_matches(|c| !is_part(c));
        if !word.is_empty() {
            parts.push((at, word));
        }
        at += part.len();
    }
    parts
}

/// All expressions in a file of rules; that it is YAML, promtool says.
fn of_rules(text: &str) -> Vec<String> {
    let cut = |rule: &str| rule.split("\n        for:").next().unwrap().to_owned();
    let cut = |rule| cut(rule).split("\n        labels:").next().unwrap().to_owned();
    text.split("\n        expr: ").skip(1).map(cut).collect()
}

/// All expressions in a dashboard: of panels and of variables.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(expressions).collect(),
        Value::Object(all) => {
            let own = all.get("expr").and_then(Value::as_str).map(str::to_owned);
            let asked = all.get("query").and_then(Value::as_str);
            let asked = asked.and_then(|text| text.strip_prefix("label_values("));
            let asked = asked.and_then(|text| text.split(',').next()).map(str::to_owned);
            own.into_iter().chain(asked).chain(all.values().flat_map(expressions)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The sum of the samples of this name that have these labels, as whole as they are.
fn value(samples: &Value, name: &str, labels: &[(&str, &str)]) -> String {
    let fits = |sample: &&Value| {
        let own = labels
            .iter()
            .all(|(key, value)| sample["labels"].get(key).is_some_and(|own| own == value));
        sample["name"] == name && own
    };
    let found = samples.as_array().unwrap().iter().filter(fits);
    let values = found.map(|sample| sample["value"].as_f64().unwrap());
    // The sum of nothing is -0.
    values.fold(0.0, |sum, value| sum + value).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_counted_and_all_names_are_known() {
    let place = on_containers();
    with_port(&place, 0);
    let farm = Farm::start_at(place);
    let port = port_of(&farm.place);
    farm.json(&["runner", "create", "--standby", "--wait", "standby"]);
    farm.lxd.plan_next([GuestPlan { fail_boot: Some("no disk".into()), ..GuestPlan::default() }]);
    farm.json(&["runner", "create", "--standby", "--wait", "gone"]);
    assert!(farm.place.run(&["flush"]).starts_with("exit: 0\n"));
    let samples = farm.json(&["metrics"]);
    let count = |name, labels: &[_]| value(&samples, name, labels);
    assert_eq!(count("larm_failures_total", &[("stage", "booting")]), "1", "{samples}");
    assert_eq!(count("deleted_vms_total", &[("flavor", "clitest")]), "2");
    let booted = [("stage", "booting"), ("pool", "default")];
    assert_eq!(count("larm_stage_duration_seconds_count", &booted), "2");
    assert_eq!(count("larm_lxd_up", &[]), "1");
    let created = [("what", "create-instance")];
    // What is made to be copied from is counted too.
    let creations: f64 =
        count("larm_lxd_operation_duration_seconds_count", &created).parse().unwrap();
    assert!(creations >= 2.0, "{creations}");
    assert_ne!(count("larm_lxd_request_duration_seconds_count", &[("what", "exec")]), "0");
    assert_eq!(count("larm_lxd_event_stream_connects_total", &[]), "1");
    assert_ne!(count("larm_store_size_bytes", &[]), "0");
    assert_ne!(count("larm_journal_head", &[]), "0");

    let text = text(&farm);
    all_names_are_documented(&text, &samples);
    files_name_what_there_is(&text);
    let over_tcp = look(port, "/metrics");
    assert!(over_tcp.starts_with("HTTP/1.1 200 OK\r\n"), "{over_tcp}");
    assert!(over_tcp.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_eq!(types(&over_tcp), types(&text));
    assert!(look(port, "/1.0").starts_with("HTTP/1.1 404 "), "nothing else is served there");
    clean(&["check", "metrics"], &text);

    let again = farm.restart();
    let samples = again.json(&["metrics"]);
    assert_eq!(value(&samples, "deleted_vms_total", &[]), "0", "what was counted before");
    assert_eq!(value(&samples, "larm_stage_duration_seconds_count", &[]), "0");
}

fn all_names_are_documented(text: &str, samples: &Value) {
    let (types, documented) = (types(text), documented());
    let known = documented.iter().map(|(name, (kind, _))| (name.clone(), kind.clone())).collect();
    assert_eq!(types, known, "docs/metrics.md lists other names or types than there are");
    for sample in samples.as_array().unwrap() {
        let name = family(sample["name"].as_str().unwrap(), &types);
        let (_, labels) = documented.get(name).unwrap();
        let own = sample["labels"].as_object().unwrap().keys().filter(|label| *label != "le");
        assert_eq!(&own.cloned().collect::<BTreeSet<_>>(), labels, "{name}");
    }
}

fn files_name_what_there_is(text: &str) {
    let types = types(text);
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let in_dashboard = expressions(&dashboard);
    for (file, expressions, least) in
        [("larm.json", &in_dashboard, 40), ("alerts.yml", &of_rules(ALERTS), 15)]
    {
        let all: BTreeSet<String> = expressions.iter().flat_map(|one| named(one)).collect();
        assert!(all.len() >= least, "{file} names only {all:?}");
        for name in all {
            assert!(types.contains_key(family(&name, &types)), "{file} names {name}");
        }
    }
    let in_dashboard = in_dashboard.join("\n");
    for name in types.keys() {
        assert!(in_dashboard.contains(name.as_str()), "the dashboard leaves {name} out");
    }
}

#[test]
fn the_alert_rules_do_what_their_tests_say() {
    let Some(promtool) = promtool() else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboards");
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let mut command = Command::new(&promtool);
        let output = command.args(arguments).current_dir(folder).stdin(Stdio::null()).output();
        let output = output.unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    }
}

#[test]
fn the_names_in_an_expression_are_found() {
    let expression = r#"sum by (le, a_label) (rate(x_bucket{l="a_b(c)", m=~"d_e"}[5m])) / on (a_label) y_total > 3"#;
    assert_eq!(named(expression), ["x_bucket", "y_total"].map(str::to_owned).into());
    assert_eq!(named("up == 0 and histogram_quantile(0.5, a_b)"), ["a_b".to_owned()].into());
}

#[test]
fn a_port_that_is_taken_is_told_of() {
    let place = on_containers();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    with_port(&place, port);
    let told = place.run(&["serve", "-q"]).replace(&port.to_string(), "PORT");
    assert_snapshot!(told, @"
    exit: 1
    ----- stdout
    ----- stderr
    error: cannot listen on 127.0.0.1:PORT for metrics
      because: Address already in use (os error 98)

    hint: another process listens there: give another `metrics.listen`, or none
    ");
}
