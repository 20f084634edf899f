//! What a round costs: CPU time of everybody, from its beginning to its end.

use std::fs;

use crate::bare::now;
use crate::figures::Cost;
use crate::process::{Process, ticks_per_second};
use crate::rig::Rig;

/// What was taken so far, when a round begins.
pub(crate) struct Meter<'a> {
    rig: &'a Rig,
    daemon: Option<Process>,
    begin: f64,
    lxd: f64,
    larm: f64,
    machine: f64,
}

impl<'a> Meter<'a> {
    /// Begins; `daemon` is larm's process, where larm takes part.
    pub(crate) fn begin(rig: &'a Rig, daemon: Option<Process>) -> Self {
        Self {
            rig,
            daemon,
            lxd: rig.lxd.cpu_seconds(),
            larm: daemon.map_or(0.0, Process::cpu_seconds),
            machine: machine_seconds(),
            begin: now(),
        }
    }

    /// When the round began, in seconds since the epoch.
    pub(crate) fn began(&self) -> f64 {
        self.begin
    }

    /// What has been taken since.
    pub(crate) fn end(&self) -> Cost {
        Cost {
            seconds: now() - self.begin,
            machine_cpu_seconds: machine_seconds() - self.machine,
            lxd_cpu_seconds: self.rig.lxd.cpu_seconds() - self.lxd,
            larm_cpu_seconds: self.daemon.map(|daemon| daemon.cpu_seconds() - self.larm),
            larm_mebibytes: self.daemon.map(Process::mebibytes),
        }
    }
}

/// CPU time of all processes and the kernel since the start, in seconds.
fn machine_seconds() -> f64 {
    ticks().busy / ticks_per_second()
}

/// CPU time of the machine, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    /// At work: neither idle nor taken by the host of a virtual machine.
    pub(crate) busy: f64,
    /// In all.
    pub(crate) all: f64,
}

/// Those of all CPUs since the start (`proc(5)`, `/proc/stat`).
pub(crate) fn ticks() -> Ticks {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in them already.
    let all: f64 = ticks.iter().take(8).sum();
    let others: f64 = [3, 4, 7].iter().filter_map(|place| ticks.get(*place)).sum();
    Ticks { busy: all - others, all }
}
