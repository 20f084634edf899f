//! The daemon without an LXD: it starts, answers, stops well, and starts again after a sudden end.

use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Place, terminal};

/// How long the daemon may take to say something to systemd.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that runs, and what it tells systemd; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    notify: UnixDatagram,
}

impl Daemon {
    /// Starts one, and returns when it says that it is ready.
    pub(crate) fn start(place: &Place) -> Self {
        let mut command = place.command(&["serve"]);
        command.stderr(File::create(place.path("log")).unwrap());
        Self::start_as(place, command)
    }

    fn start_as(place: &Place, mut command: Command) -> Self {
        let socket = place.path("notify.sock");
        drop(std::fs::remove_file(&socket));
        let notify = UnixDatagram::bind(&socket).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        command.env("NOTIFY_SOCKET", &socket).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let daemon = Self { child, notify };
        daemon.until_told("READY=1");
        daemon
    }

    fn until_told(&self, word: &str) {
        let mut buffer = [0; 1024];
        loop {
            let length = self.notify.recv(&mut buffer).unwrap();
            let told = String::from_utf8_lossy(buffer.get(..length).unwrap());
            if told.lines().any(|line| line == word) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends SIGTERM and returns the exit code.
    fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.until_told("STOPPING=1");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn place() -> Place {
    let place = Place::with_config("");
    let state = place.path("state");
    let config = format!("name_prefix = 'clitest'\nstate_dir = '{}'\n", state.display());
    std::fs::write(place.path("larm.toml"), config).unwrap();
    place
}

#[test]
fn it_answers_and_stops_well() {
    let place = place();
    let daemon = Daemon::start(&place);
    assert_snapshot!(place.run(&["runner", "list"]), @"
    exit: 0
    ----- stdout
    NAME  PHASE  SINCE  HEALTH  STATE  AGE
    ----- stderr
    ");
    assert_snapshot!(place.run(&["runner", "list", "--json"]), @"
    exit: 0
    ----- stdout
    []
    ----- stderr
    ");
    assert_snapshot!(place.run(&["runner", "show", "3f9c"]), @r#"
    exit: 3
    ----- stdout
    ----- stderr
    error: there is no runner "3f9c"

    hint: `larm runner list` shows the runners there are
    "#);
    assert_snapshot!(place.run(&["runner", "list", "--state", "asleep"]), @"
    exit: 2
    ----- stdout
    ----- stderr
    error: state: unknown variant `asleep`, expected one of `created`, `active`, `deleted`, `error`, `stopped`, `unknown`, `unexpected`
    ");
    assert_snapshot!(place.run(&["events"]), @"
    exit: 0
    ----- stdout
    ----- stderr
    ");
    assert_eq!(daemon.stop(), Some(0));
    assert!(!place.path("control.sock").exists());
}

#[test]
fn a_second_one_is_refused() {
    let place = place();
    let daemon = Daemon::start(&place);
    assert_snapshot!(place.run(&["serve"]), @"
    exit: 1
    ----- stdout
    ----- stderr
    error: another process listens on [DIR]/control.sock already

    hint: `larm serve` runs already: `systemctl status larm`; or give another `control_socket`
    ");
    let refused = place.run(&["serve", "--control-socket", "other.sock"]);
    let pid = format!("(pid {})", daemon.child.id());
    assert!(refused.starts_with("exit: 1\n") && refused.contains(&pid), "{refused}");
}

#[test]
fn it_starts_again_after_a_sudden_end() {
    let place = place();
    let mut daemon = Daemon::start(&place);
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    assert!(place.path("control.sock").exists(), "a sudden end leaves the socket behind");
    assert!(place.run(&["runner", "list"]).starts_with("exit: 5\n"));
    let daemon = Daemon::start(&place);
    assert!(place.run(&["runner", "list"]).starts_with("exit: 0\n"));
    assert_eq!(daemon.stop(), Some(0));
}

/// It runs on the terminal of an SSH session that is closed.
#[test]
fn a_closed_terminal_stops_it_well() {
    let place = place();
    let (_screen, terminal) = terminal();
    let mut command = place.command(&["serve", "-q"]);
    command.stderr(terminal);
    let mut daemon = Daemon::start_as(&place, command);
    daemon.signal(Signal::HUP);
    daemon.until_told("STOPPING=1");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    assert!(!place.path("control.sock").exists());
}

/// To catch SIGHUP undoes what `nohup larm serve` is for.
#[test]
fn a_closed_terminal_is_nothing_to_one_that_ignores_it() {
    let place = place();
    let mut command = place.furnished("nohup");
    command.args([env!("CARGO_BIN_EXE_larm"), "serve"]);
    command.stderr(File::create(place.path("log")).unwrap());
    let daemon = Daemon::start_as(&place, command);
    daemon.signal(Signal::HUP);
    assert_eq!(daemon.stop(), Some(0));
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    assert!(log.contains("SIGTERM") && !log.contains("SIGHUP"), "{log}");
}
