//! The kernel's limits that guests run into, as `doctor` checks and `setup` raises them: now, and
//! for the next boot.
//!
//! All unprivileged containers share one user of the host, and with it that user's limits: at the
//! kernel's default of 128 inotify instances about 16 guests boot, and the next one's systemd dies.
//! The values are those of LXD's documentation, "Production setup", where that has them.

mod boot;

use std::fs;
use std::path::{Path, PathBuf};

use boot::File;

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

/// A limit that is too low now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLow {
    pub(super) limit: Limit,
    pub(super) current: u64,
}

/// A limit that is too low after the next boot, as far as any file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unkept {
    pub(super) limit: Limit,
    /// What it is to be then: never less than it is now.
    pub(super) value: u64,
}

/// A limit that a file sets too low, one that is applied after larm's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overruled {
    pub(super) limit: Limit,
    pub(super) value: u64,
    pub(super) file: PathBuf,
}

/// How the limits are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) too_low: Vec<TooLow>,
    pub(super) unkept: Vec<Unkept>,
    pub(super) overruled: Vec<Overruled>,
}

/// All limits that matter.
pub(super) const LIMITS: [Limit; 5] = [
    Limit { name: "fs.inotify.max_user_instances", least: 1024, good: 8192 },
    Limit { name: "fs.inotify.max_user_watches", least: 65_536, good: 1_048_576 },
    Limit { name: "kernel.keys.maxkeys", least: 2000, good: 2000 },
    Limit { name: "kernel.keys.maxbytes", least: 200_000, good: 2_000_000 },
    Limit { name: "kernel.pid_max", least: MOST_PIDS, good: MOST_PIDS },
];

/// As many process ids as the kernel can do (proc(5)): containers take them from the host.
const MOST_PIDS: u64 = if cfg!(target_pointer_width = "64") { 4_194_304 } else { 32_768 };

/// How the limits of this host are. One that its kernel does not have is left out.
pub(super) fn look() -> Limits {
    let current = |limit: Limit| fs::read_to_string(limit.path()).ok()?.trim().parse().ok();
    let known = LIMITS.into_iter().filter_map(|limit| Some((limit, current(limit)?)));
    compare(known, &boot::files(Path::new("/")))
}

/// Compares what is now, and what the files set at the next boot, with what is enough.
fn compare(current: impl Iterator<Item = (Limit, u64)>, files: &[File]) -> Limits {
    let mut limits = Limits::default();
    for (limit, current) in current {
        if current < limit.least {
            limits.too_low.push(TooLow { limit, current });
        }
        match boot::setting(files, limit.name) {
            Some((value, _)) if value >= limit.least => {}
            Some((value, file)) if wins(file) => {
                limits.overruled.push(Overruled { limit, value, file: file.to_owned() });
            }
            // A script may have raised it, which the next boot forgets.
            _ => limits.unkept.push(Unkept { limit, value: current.max(limit.good) }),
        }
    }
    limits
}

/// Whether a file is applied after larm's: those in a `sysctl.d` by their names, the old one last.
fn wins(file: &Path) -> bool {
    let in_directory = file.parent().is_some_and(|parent| parent.ends_with("sysctl.d"));
    !in_directory || file.file_name() > Path::new(FILE).file_name()
}

/// The file that keeps `limits`, together with what the file of an earlier run keeps.
pub(super) fn file_text(old: &str, limits: &[Unkept]) -> String {
    let head = "# Written by `larm setup`: limits of the kernel that many guests run into.";
    let is_new = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        limits.iter().any(|unkept| unkept.limit.name == name)
    };
    let kept = old.lines().filter(|line| !line.starts_with('#') && !is_new(line));
    let new = limits.iter().map(|unkept| format!("{} = {}", unkept.limit.name, unkept.value));
    let lines = std::iter::once(head.to_owned()).chain(kept.map(str::to_owned)).chain(new);
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

impl Limit {
    /// Where the running kernel shows it (proc(5)).
    pub(super) fn path(&self) -> PathBuf {
        Path::new("/proc/sys").join(self.name.replace('.', "/"))
    }
}

impl Overruled {
    /// What to do about it.
    pub(super) fn advice(&self) -> String {
        let (file, least) = (self.file.display(), self.limit.least);
        format!("{file} sets {} to {}: set it to {least} or more", self.limit.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unkept(index: usize, value: u64) -> Unkept {
        Unkept { limit: LIMITS[index], value }
    }

    fn one(current: u64, files: &[(&str, &str)]) -> Limits {
        let file = |(path, text): &(&str, &str)| File { path: path.into(), text: (*text).into() };
        let files: Vec<File> = files.iter().map(file).collect();
        compare([(LIMITS[0], current)].into_iter(), &files)
    }

    #[test]
    fn a_second_run_keeps_what_the_first_one_raised() {
        let first = file_text("", &[unkept(0, 8192)]);
        let second = file_text(&first, &[unkept(2, 2000)]);
        assert_eq!(
            second,
            "# Written by `larm setup`: limits of the kernel that many guests run into.\n\
             fs.inotify.max_user_instances = 8192\nkernel.keys.maxkeys = 2000\n"
        );
        let third = file_text(&second, &[unkept(0, 9000)]);
        assert_eq!(third.matches("max_user_instances").count(), 1);
    }

    /// A script had raised the limits for now; setup found nothing to do, and the first boot
    /// brought the kernel's defaults back.
    #[test]
    fn what_is_raised_for_now_only_is_not_kept() {
        let limits = one(8192, &[("/usr/lib/sysctl.d/50-default.conf", "kernel.sysrq = 16")]);
        assert_eq!(limits, Limits { unkept: vec![unkept(0, 8192)], ..Limits::default() });
        assert_eq!(one(20_000, &[]).unkept, [unkept(0, 20_000)], "nothing is lowered");
        let kept = [("/etc/sysctl.d/10-lxd.conf", "fs.inotify.max_user_instances = 1024")];
        assert_eq!(one(8192, &kept), Limits::default());
        assert_eq!(one(128, &kept).too_low, [TooLow { limit: LIMITS[0], current: 128 }]);
    }

    /// Writing larm's file would help nothing, and would be tried by each run again.
    #[test]
    fn a_file_that_is_applied_later_is_not_written_against() {
        let low = "fs.inotify.max_user_instances = 256";
        assert_eq!(one(8192, &[("/etc/sysctl.d/50-x.conf", low)]).unkept, [unkept(0, 8192)]);
        for path in ["/etc/sysctl.d/70-x.conf", "/etc/sysctl.conf"] {
            let limits = one(8192, &[(path, low)]);
            assert_eq!(limits.unkept, []);
            let advice = limits.overruled.first().unwrap().advice();
            assert_eq!(
                advice,
                format!("{path} sets fs.inotify.max_user_instances to 256: set it to 1024 or more")
            );
        }
    }
}
