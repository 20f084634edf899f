//! `larm smoke` where it goes wrong, on the stand-in LXD: its guests live as runners do, but
//! reach no stand-in for GitHub, so that no job is ever run.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Child, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use larm::lxd::{Client, ClientOptions, ImageSource, NewInstance, NewNetwork, NewProfile};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::Place;
use crate::support::standin::guest::GuestPlan;
use crate::support::standin::{StandIn, StandInOptions};

/// A host whose bridge has an address that the stand-in for GitHub can listen on.
struct Host {
    place: Place,
    lxd: StandIn,
    client: Client,
}

impl Host {
    async fn new(options: StandInOptions) -> Self {
        let place = Place::with_config(
            "[lxd]\nproject = 'default'\n[runner]\ntype = 'container'\nprofiles = ['loop']\n",
        );
        let lxd = StandIn::start(options).unwrap();
        symlink(lxd.socket(), place.path("lxd.sock")).unwrap();
        std::fs::create_dir(place.path("tmp")).unwrap();
        let client = Client::new(ClientOptions::new(lxd.socket()));
        let config = [("ipv4.address".to_owned(), "127.0.0.1/8".to_owned())].into();
        let network = NewNetwork { name: "loop".into(), config, ..NewNetwork::default() };
        client.create_network(&network).await.unwrap();
        let device = |facts: [(&str, &str); 3]| {
            facts.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect()
        };
        let root = device([("path", "/"), ("pool", "larm"), ("type", "disk")]);
        let eth0 = device([("name", "eth0"), ("network", "loop"), ("type", "nic")]);
        let devices = [("root".to_owned(), root), ("eth0".to_owned(), eth0)].into();
        let profile = NewProfile { name: "loop".into(), devices, ..NewProfile::default() };
        client.create_profile(&profile).await.unwrap();
        Self { place, lxd, client }
    }

    /// Starts it, and returns when it has printed a line with this word.
    fn start(&self, arguments: &[&str], until: &str) -> Smoke {
        let mut command = self.place.command(&[&["smoke", "--jobs", "1"], arguments].concat());
        command.env("TMPDIR", self.place.path("tmp"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(until) {
            line.clear();
            assert!(told.read_line(&mut line).unwrap() > 0, "it ends before it is {until}");
        }
        Smoke { child, told: Box::new(told) }
    }

    fn names(&self) -> Vec<String> {
        self.lxd.instances().into_iter().map(|seen| seen.name).collect()
    }

    /// What it left in the directory for temporary files.
    fn files(&self) -> usize {
        std::fs::read_dir(self.place.path("tmp")).unwrap().count()
    }
}

/// One that runs.
struct Smoke {
    child: Child,
    told: Box<dyn BufRead>,
}

impl Smoke {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code, and what it has printed since on both streams.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut out = String::new();
        self.told.read_to_string(&mut out).unwrap();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), out, String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn no_lxd() {
    let place = Place::new();
    assert_snapshot!(place.run(&["smoke"]), @"
    exit: 5
    ----- stdout
    ----- stderr
    error: cannot list instances in project larm: there is no LXD socket at [DIR]/lxd.sock
      because: the connection could not be made
      because: No such file or directory (os error 2)

    hint: is LXD installed and running? `larm setup` prepares a host; --lxd-socket names another socket
    ");
}

/// `larm smoke --limit 5s | head -1` ended with 0, and one without `head` with 130. It left its
/// files in /tmp.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_has_no_time_and_nobody_reads_on() {
    let host = Host::new(StandInOptions::default()).await;
    let mut smoke = host.start(&["--limit", "2s"], "");
    smoke.told = Box::new(std::io::empty());
    let (code, _, said) = smoke.end();
    assert_eq!(code, Some(6), "{said}");
    let message = "error: the run took longer than allowed; its instances were removed\n\n\
        hint: give it more time with --limit\n";
    assert!(said.ends_with(message), "{said}");
    assert!(host.names().is_empty() && host.files() == 0);
}

/// Ctrl-C, and the end of an SSH session, which left the instances behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_interrupted() {
    let host = Host::new(StandInOptions::default()).await;
    for signal in [Signal::INT, Signal::HUP] {
        let smoke = host.start(&[], "listening");
        smoke.signal(signal);
        let (code, out, said) = smoke.end();
        assert_eq!(code, Some(130), "{said}");
        let message = "the run did not come to its end; its instances were removed\n";
        assert!(said.contains(message) && !said.contains("--limit"), "{said}");
        assert!(out.contains("deleting"), "what goes on is told to the end: {out}");
        assert!(out.ends_with("exactly once, nothing left behind\n"), "{out}");
        assert!(out.contains("\ninterrupted: ") && !out.contains("wrong: "), "{out}");
        assert!(host.names().is_empty() && host.files() == 0);
    }
}

/// A second Ctrl-C was not heard while the instances were being removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_interrupted_twice() {
    let stop_time = Duration::from_mins(10);
    let host = Host::new(StandInOptions { stop_time, ..StandInOptions::default() }).await;
    let smoke = host.start(&[], "listening");
    // Two of one kind might become one on the way.
    smoke.signal(Signal::TERM);
    smoke.signal(Signal::INT);
    let (code, _, said) = smoke.end();
    assert_eq!(code, Some(130), "{said}");
    let left = host.names();
    assert_eq!(left.len(), 1);
    let name = left.first().unwrap();
    let message = format!(
        "error: interrupted: the run did not come to its end; left behind: {name}\n\n\
         hint: `lxc delete --force --project default {name}`\n"
    );
    assert!(said.ends_with(&message), "{said}");
}

/// A shell whose terminal hangs up tells its jobs what the kernel has told them already: nobody
/// wants the instances left for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_terminal_hangs_up_and_its_shell_says_so() {
    let host = Host::new(StandInOptions::default()).await;
    let smoke = host.start(&[], "listening");
    smoke.signal(Signal::HUP);
    smoke.signal(Signal::HUP);
    let (code, _, said) = smoke.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("its instances were removed\n"), "{said}");
    assert!(host.names().is_empty());
}

/// Nobody knew of the instances of a run that was killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_run_was_killed() {
    let host = Host::new(StandInOptions::default()).await;
    for (name, manager) in [("smoke-dead-0123456789ab", "smoke-dead"), ("x", "smokeless")] {
        let instance = NewInstance {
            name: name.to_owned(),
            instance_type: "container".to_owned(),
            image: ImageSource::Alias("larm-debian12".to_owned()),
            profiles: vec!["loop".to_owned()],
            config: [("user.larm.manager".to_owned(), manager.to_owned())].into(),
            ..NewInstance::default()
        };
        let made = host.client.create_instance(&instance).await.unwrap();
        host.client.wait(&made, Duration::from_mins(1)).await.unwrap();
    }
    let smoke = host.start(&[], "planned");
    smoke.signal(Signal::INT);
    let (_, _, said) = smoke.end();
    let command = "`lxc delete --force --project default smoke-dead-0123456789ab`\n";
    assert!(said.contains(command), "{said}");
    assert_eq!(host.names(), ["smoke-dead-0123456789ab", "x"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_firewall_is_in_the_way() {
    let host = Host::new(StandInOptions::default()).await;
    let reason = Some("the runner application could not be downloaded".to_owned());
    let plan = || GuestPlan { fail_boot: reason.clone(), ..GuestPlan::default() };
    host.lxd.plan_next([plan(), plan()]);
    let (code, out, said) = host.start(&[], "").end();
    assert_eq!(code, Some(1), "{said}");
    let hint = "note: guests download from http://127.0.0.1:";
    assert!(out.contains(hint) && out.contains("--port"), "{out}");
    assert!(said.contains("logs of what failed are kept in "), "{said}");
    assert_eq!(host.files(), 1);
    let (_, out, _) = host.start(&["--json"], "{").end();
    let summary: Value = serde_json::from_str(&format!("{{{out}")).unwrap();
    assert_eq!((&summary["ok"], &summary["end"]), (&false.into(), &"complete".into()));
    assert!(summary["github"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_port_may_be_chosen() {
    let host = Host::new(StandInOptions::default()).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = host.place.run(&["smoke", "--port", &port]).replace(&port, "[PORT]");
    assert_snapshot!(output, @"
    exit: 1
    ----- stdout
    ----- stderr
    warning: containers share the host's kernel: run only code you trust
    error: cannot listen on 127.0.0.1:[PORT]
      because: Address already in use (os error 98)

    hint: give another --port, or none for any that is free
    ");
}
