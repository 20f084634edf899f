//! Where and how something was measured.

use std::fs;
use std::time::Duration;

use larm::clock;
use serde::Serialize;

use crate::host;
use crate::meter::ticks;
use crate::rig::Rig;

/// The machine is quiet with less than one of so many ticks of its CPUs at work...
const BUSY: f64 = 10.0;
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
    /// Whether any btrfs here has quotas: it makes each of its changes dearer for everybody.
    pub(crate) btrfs_quotas: bool,
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
            btrfs_quotas: btrfs_has_quotas(),
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
            "{} cores, {:.0} GiB, Linux {}, LXD {}, {} storage{}, {} {}, {}",
            self.cores,
            self.memory_gibibytes,
            self.kernel,
            self.lxd,
            self.storage,
            if self.btrfs_quotas { " with quotas" } else { "" },
            self.instance_type,
            self.image,
            self.date
        )
    }
}

/// What the kernel tells of them (Linux documentation, `sysfs-fs-btrfs`).
fn btrfs_has_quotas() -> bool {
    let file_systems = fs::read_dir("/sys/fs/btrfs").into_iter().flatten().flatten();
    file_systems.into_iter().any(|one| one.path().join("qgroups").exists())
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
        let mut before = ticks();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = ticks();
            if (now.busy - before.busy) * BUSY < now.all - before.all {
                return;
            }
            before = now;
        }
    };
    if tokio::time::timeout(PATIENCE, looks).await.is_err() {
        eprintln!("the machine is not quiet: the figures tell of other work too");
    }
}
