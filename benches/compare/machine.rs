//! Where and how something was measured.

use std::fs;
use std::time::Duration;

use larm::clock;
use serde::Serialize;

use crate::host;
use crate::rig::Rig;

/// The machine is quiet with less than one of so many ticks of its CPUs at work...
const BUSY: u64 = 10;
/// ...for so long.
const LOOK: Duration = Duration::from_secs(2);
/// So long it may take to become quiet.
const PATIENCE: Duration = Duration::from_mins(4);

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) memory_gibibytes: f64,
    pub(crate) kernel: String,
    pub(crate) lxd: String,
    pub(crate) storage: String,
    pub(crate) image: String,
    pub(crate) instance_type: String,
    /// Load of the minute before the beginning: what else ran.
    pub(crate) load: String,
    pub(crate) date: String,
    pub(crate) command: String,
}

impl Machine {
    pub(crate) async fn here(rig: &Rig) -> Self {
        let environment = rig.client.server().await.unwrap().environment;
        let now = clock::now().to_string();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gibibytes: memory(),
            kernel: environment.kernel_version,
            lxd: environment.server_version,
            storage: environment.storage,
            image: host::image(),
            instance_type: host::instance_type(),
            load: fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned(),
            date: now.split('.').next().unwrap_or_default().to_owned() + "Z",
            command: command(),
        }
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} cores, {:.0} GiB, Linux {}, LXD {}, {} storage, {} {}, {}",
            self.cores,
            self.memory_gibibytes,
            self.kernel,
            self.lxd,
            self.storage,
            self.instance_type,
            self.image,
            self.date
        )
    }
}

fn memory() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kib = total.trim().trim_end_matches("kB").trim().parse();
    kib.map_or(0.0, |kib: f64| kib / 1024.0 / 1024.0)
}

/// The command with its settings, to be typed again.
fn command() -> String {
    let own = std::env::vars().filter(|(name, _)| name.starts_with("LARM_BENCH_"));
    let mut settings: Vec<String> = own
        .filter(|(name, _)| name != "LARM_BENCH_OUT")
        .map(|(name, value)| format!("{name}={value} "))
        .collect();
    settings.sort();
    settings.concat() + "scripts/bench"
}

/// Waits until the machine has little to do: the file system goes on with what was deleted before. No
/// contender shall pay for another.
pub(crate) async fn quiet() {
    let looks = async {
        let mut before = busy_and_all();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = busy_and_all();
            if (now.0 - before.0) * BUSY < now.1 - before.1 {
                return;
            }
            before = now;
        }
    };
    if tokio::time::timeout(PATIENCE, looks).await.is_err() {
        eprintln!("the machine is not quiet: the figures tell of other work too");
    }
}

/// Ticks of all CPUs since the start: those with work to do, and all (`proc(5)`, `/proc/stat`).
fn busy_and_all() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in them already.
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}
