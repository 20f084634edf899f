//! What commands do inside a simulated guest: larm's own exactly, others as far as tests of exec
//! need them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use larm::guest::paths::{CLAIMED, REMOVE_TOKEN};
use larm::guest::{command, probe, report};
use larm::model::{CloudInitStatus, GuestPhase};

use super::instance::{Instance, Power};
use super::shell;
use super::world::{Key, World};

/// The logs of a simulated guest: "simulated\n".
const LOGS: &str = "larm-logs 1\nstatus c2ltdWxhdGVkCg==\nrunner.log c2ltdWxhdGVkCg==\nend\n";

/// What a command left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; 128 + n when ended by signal n.
    pub code: i32,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
    /// Whether its script ended with `exit`, or by a signal.
    pub exited: bool,
    /// Whether a signal ended it.
    pub killed: bool,
}

/// What a command asks for beyond the state of the guest.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Where it runs.
    pub cwd: String,
    /// The user it runs as.
    pub user: u32,
}

/// What one of larm's commands comes to.
enum Verdict {
    /// It ends with this.
    Ends(Ran),
    /// It waits for a change of the guest.
    Waits,
    /// It is none of larm's.
    NotOurs,
}

impl Ran {
    /// A command that ended with a code and said nothing.
    pub fn code(code: i32) -> Self {
        Self { code, ..Self::default() }
    }

    /// A command that ended well and printed something.
    pub fn printed(text: impl Into<Vec<u8>>) -> Self {
        Self { stdout: text.into(), ..Self::default() }
    }
}

impl World {
    /// Runs a command to its end.
    pub(super) async fn run_in_guest(self: &Arc<Self>, key: &Key, request: &Request) -> Ran {
        let Some(mut changed) =
            self.with(|all| all.instances.get(key).map(|one| one.changed.subscribe()))
        else {
            return Ran::code(137);
        };
        loop {
            let verdict = self.with(|all| {
                if is_logs(&request.argv) {
                    all.asked_for_logs.insert(key.clone());
                }
                let Some(instance) = all.instances.get_mut(key) else {
                    return Verdict::Ends(Ran::code(137));
                };
                let mut gone = false;
                let verdict = judge(instance, &request.argv, &mut gone);
                if gone {
                    all.unregistered.insert(key.clone());
                }
                verdict
            });
            match verdict {
                Verdict::Ends(ran) => return ran,
                Verdict::NotOurs => return shell::run(self, key, request).await,
                Verdict::Waits => {
                    if changed.changed().await.is_err() {
                        return Ran::code(137);
                    }
                }
            }
        }
    }

    /// How long a command of ours takes in the guest.
    pub(super) async fn take_exec_time(&self) {
        if self.options.exec_time > Duration::ZERO {
            sleep(self.options.exec_time).await;
        }
    }
}

/// `gone` is set when the runner has removed its registration.
fn judge(instance: &mut Instance, argv: &[String], gone: &mut bool) -> Verdict {
    if instance.guest.plan.hang_exec || instance.power == Power::Frozen {
        return Verdict::Waits;
    }
    if let Some(seq) = watched(argv) {
        return watch(instance, seq);
    }
    if is_clock(argv) {
        return Verdict::Ends(Ran::code(0));
    }
    if argv == command::probe() {
        return Verdict::Ends(probe_of(instance));
    }
    if is_logs(argv) {
        return Verdict::Ends(Ran::printed(LOGS));
    }
    let ours =
        [command::report(), command::flush(false), command::flush(true), command::unregister()];
    if !ours.iter().any(|one| one == argv) {
        return Verdict::NotOurs;
    }
    if instance.guest.report.is_none() {
        return Verdict::Ends(Ran::code(127));
    }
    Verdict::Ends(if argv == command::report() {
        Ran::printed(report_of(instance))
    } else if argv == command::unregister() {
        unregister(instance, gone)
    } else {
        flush(instance, argv == command::flush(true))
    })
}

/// The sequence number after which a watch waits, if this is a watch.
fn watched(argv: &[String]) -> Option<u64> {
    let seq = argv.last()?.rsplit(' ').next()?.parse().ok()?;
    (argv == command::watch(seq)).then_some(seq)
}

fn watch(instance: &mut Instance, seq: u64) -> Verdict {
    let Some(now) = instance.guest.report.as_ref().map(|report| report.seq) else {
        return Verdict::Waits;
    };
    let rung = std::mem::take(&mut instance.guest.bell);
    if now > seq || rung || instance.guest.plan.storm {
        return Verdict::Ends(Ran::printed(report_of(instance)));
    }
    Verdict::Waits
}

/// Whether the guest's clock is to be put right.
fn is_clock(argv: &[String]) -> bool {
    let now = argv.last().and_then(|now| now.parse().ok());
    now.is_some_and(|now| argv == command::clock(now))
}

/// Whether these are larm's words for the logs in a guest.
fn is_logs(argv: &[String]) -> bool {
    argv.last().is_some_and(|text| text.starts_with("echo 'larm-logs 1'"))
}

fn report_of(instance: &Instance) -> Vec<u8> {
    if let Some(bytes) = &instance.guest.plan.report {
        return bytes.clone();
    }
    instance.guest.report.as_ref().map(report::render).unwrap_or_default().into_bytes()
}

fn probe_of(instance: &Instance) -> Ran {
    if let Some(bytes) = &instance.guest.plan.probe {
        return Ran::printed(bytes.clone());
    }
    let (code, output) = instance.guest.cloud_init_status();
    let started = instance.files.get(CLAIMED).is_some();
    let probe = probe::render(code, &output, started, instance.guest.process);
    Ran::printed([probe.into_bytes(), report_of(instance)].concat())
}

fn flush(instance: &mut Instance, busy: bool) -> Ran {
    let phase = instance.guest.phase();
    if phase == Some(GuestPhase::Busy) && !busy {
        return Ran::code(command::BUSY);
    }
    let listened = instance.guest.process.then_some(137);
    instance.guest.finish(listened, Some("flushed"));
    instance.touch();
    Ran::code(command::FLUSHED)
}

fn unregister(instance: &mut Instance, gone: &mut bool) -> Ran {
    if !instance.files.remove(REMOVE_TOKEN) {
        return Ran::code(1);
    }
    *gone = true;
    instance.touch();
    Ran::code(0)
}

/// What `cloud-init` prints when it is asked by itself.
pub(super) fn cloud_init(instance: &Instance, argv: &[String]) -> Option<Ran> {
    let (code, output) = instance.guest.cloud_init_status();
    let waits = argv.iter().any(|word| word == "--wait");
    let busy = [CloudInitStatus::NotStarted, CloudInitStatus::Running]
        .contains(&instance.guest.cloud_init);
    let json = argv.iter().any(|word| word == "json");
    let plain = format!("status: {}\n", if code == 1 { "error" } else { "done" });
    let stdout = if json { output } else { plain }.into_bytes();
    (!(waits && busy)).then_some(Ran { code, stdout, ..Ran::default() })
}
