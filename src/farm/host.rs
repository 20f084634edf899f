//! What there is on this machine to give to runners.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::tasks::Tasks;
use super::{FarmSettings, HostLimits, Input};
use crate::lxd::{self, Client};
use crate::model::Cost;

/// How often it is measured; only the storage pool changes by itself.
const EVERY: Duration = Duration::from_mins(1);
/// The reserve of a storage pool is never more than this part of it.
const LARGEST_RESERVE: u64 = 10;

/// Measures for ever.
pub(super) async fn measure(tasks: Tasks, settings: Arc<FarmSettings>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let disk = match free_space(&tasks.client, &settings).await {
            Ok(disk) => disk,
            Err(error) => {
                tracing::debug!(%error, "the storage pool was not measured");
                continue;
            }
        };
        tasks.send(Input::Host(Cost { disk, ..machine(&settings.host) })).await;
    }
}

/// CPUs and memory of this machine, without what is kept. A machine that does not tell is not
/// limited.
pub(super) fn machine(limits: &HostLimits) -> Cost {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpus = u64::try_from(cores).unwrap_or(1).saturating_mul(limits.cpu_overcommit.max(1));
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = total_memory(&meminfo).unwrap_or(u64::MAX);
    Cost { cpus, memory: memory.saturating_sub(limits.memory_reserve), disk: u64::MAX }
}

/// `MemTotal` of proc(5), in bytes.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What is free in the storage pools of the pools' root disks, the fullest of them, without the
/// reserve. A pool that does not tell is not limited.
async fn free_space(client: &Client, settings: &FarmSettings) -> Result<u64, lxd::Error> {
    let mut least = u64::MAX;
    let mut seen = Vec::new();
    for pool in &settings.pools {
        for profile in &pool.spec.profiles {
            if seen.contains(profile) {
                continue;
            }
            seen.push(profile.clone());
            let Some(profile) = client.profile(profile).await? else { continue };
            for device in profile.devices.values() {
                let is_root = device.get("path").is_some_and(|path| path == "/");
                let Some(name) = device.get("pool").filter(|_| is_root) else { continue };
                let space = client.storage_pool_space(name).await?;
                if space.total > 0 {
                    let reserve = settings.host.disk_reserve.min(space.total / LARGEST_RESERVE);
                    least = least.min(space.free().saturating_sub(reserve));
                }
            }
        }
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_and_the_reserve_kept() {
        let text = "MemTotal:       16316412 kB\nMemFree:         1234 kB\n";
        assert_eq!(total_memory(text), Some(16_316_412 * 1024));
        assert_eq!(total_memory("MemTotal: much\n"), None);
        let all = machine(&HostLimits::default());
        let kept = machine(&HostLimits {
            memory_reserve: 1 << 20,
            cpu_overcommit: 3,
            ..HostLimits::default()
        });
        assert_eq!(all.memory - kept.memory, 1 << 20);
        assert_eq!(kept.cpus, 3 * all.cpus);
    }
}
