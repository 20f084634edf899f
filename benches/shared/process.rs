//! What the kernel tells of a process in `/proc` (proc documentation, `/proc/PID/stat`).

use std::fs;
use std::path::Path;

/// A process that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// A daemon that runs, by the process id in its state directory.
    pub fn of_daemon(state: &Path) -> Self {
        let pid = fs::read_to_string(state.join("larm.pid")).unwrap();
        Self(pid.split_whitespace().next().unwrap().parse().unwrap())
    }

    /// The CPU time that it has taken so far and that of its children which have ended, in seconds.
    pub fn cpu_seconds(self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        // The command's name, in brackets, may hold anything.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        // utime, stime, cutime and cstime are fields 14 to 17; the state is the third.
        let ticks = fields.split(' ').skip(11).take(4).filter_map(|tick| tick.parse::<u32>().ok());
        f64::from(ticks.sum::<u32>()) / ticks_per_second()
    }

    /// Its resident memory, in MiB.
    pub fn mebibytes(self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse().map_or(0.0, |kib: f64| kib / 1024.0)
    }

    /// How many files it has open.
    pub fn open_files(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }
}

/// In which the kernel counts CPU time.
pub fn ticks_per_second() -> f64 {
    u32::try_from(rustix::param::clock_ticks_per_second()).map_or(100.0, f64::from)
}
