//! The kernel's limits that guests run into, as `doctor` checks and `setup` raises them.
//!
//! All unprivileged containers share one user of the host, and with it that user's limits: at the
//! kernel's default of 128 inotify instances about 16 guests boot, and the next one's systemd dies.
//! The values are those of LXD's documentation, "Production setup", where that has them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where `setup` keeps the raised limits for the next boot (sysctl.d(5)).
pub(super) const FILE: &str = "/etc/sysctl.d/60-larm.conf";

/// One limit of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// Its name for sysctl(8).
    pub(super) name: &'static str,
    /// What is enough.
    pub(super) least: u64,
    /// What it is raised to.
    pub(super) good: u64,
}

/// A limit that is too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLow {
    pub(super) limit: Limit,
    pub(super) current: u64,
}

/// All limits that matter.
pub(super) const LIMITS: [Limit; 4] = [
    Limit { name: "fs.inotify.max_user_instances", least: 1024, good: 8192 },
    Limit { name: "fs.inotify.max_user_watches", least: 65_536, good: 1_048_576 },
    Limit { name: "kernel.keys.maxkeys", least: 2000, good: 2000 },
    Limit { name: "kernel.keys.maxbytes", least: 200_000, good: 2_000_000 },
];

/// The limits that are too low. One that this kernel does not have is not too low.
pub(super) fn too_low() -> Vec<TooLow> {
    LIMITS
        .into_iter()
        .filter_map(|limit| {
            let current = fs::read_to_string(limit.path()).ok()?.trim().parse().ok()?;
            (current < limit.least).then_some(TooLow { limit, current })
        })
        .collect()
}

/// The file that keeps `raised`, together with what the file of an earlier run keeps.
pub(super) fn file_text(old: &str, raised: &[TooLow]) -> String {
    let head = "# Written by `larm setup`: limits of the kernel that many guests run into.";
    let is_raised = |line: &&str| {
        raised.iter().any(|low| line.split('=').next().is_some_and(|n| n.trim() == low.limit.name))
    };
    let kept = old.lines().filter(|line| !line.starts_with('#') && !is_raised(line));
    let new = raised.iter().map(|low| format!("{} = {}", low.limit.name, low.limit.good));
    let lines = std::iter::once(head.to_owned()).chain(kept.map(str::to_owned)).chain(new);
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

impl Limit {
    /// Where the running kernel shows it (proc(5)).
    pub(super) fn path(&self) -> PathBuf {
        Path::new("/proc/sys").join(self.name.replace('.', "/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_keeps_what_the_first_one_raised() {
        let low = |index: usize| TooLow { limit: LIMITS[index], current: 1 };
        let first = file_text("", &[low(0)]);
        let second = file_text(&first, &[low(2)]);
        assert_eq!(
            second,
            "# Written by `larm setup`: limits of the kernel that many guests run into.\n\
             fs.inotify.max_user_instances = 8192\nkernel.keys.maxkeys = 2000\n"
        );
        assert_eq!(file_text(&second, &[low(0)]).matches("max_user_instances").count(), 1);
    }
}
