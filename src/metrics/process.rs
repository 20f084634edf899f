//! This process as the kernel sees it (proc(5)).

use std::fs;

/// This process as the kernel sees it. What cannot be read is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Process {
    /// In bytes.
    pub(super) resident_memory: Option<f64>,
    pub(super) open_fds: Option<f64>,
    /// Of all threads, in user mode and in the kernel, in seconds.
    pub(super) cpu: Option<f64>,
}

impl Process {
    pub(super) fn look() -> Self {
        let read = |name| fs::read_to_string(format!("/proc/self/{name}")).ok();
        Self {
            resident_memory: read("status").as_deref().and_then(resident),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|all| number(all.count())),
            cpu: read("stat").as_deref().and_then(ticks).map(in_seconds),
        }
    }
}

fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// Clock ticks in user mode and in the kernel: the 14th and the 15th field. The second one, the
/// name, may have blanks and brackets.
fn ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut next = || fields.next().and_then(|field| field.parse::<f64>().ok());
    Some(next()? + next()?)
}

fn in_seconds(ticks: f64) -> f64 {
    ticks / number(usize::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100))
}

/// A count as Prometheus has it.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts of things that are in memory fit into 53 bits"
)]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(resident("Name:\tlarm\nVmRSS:\t   25600 kB\n"), Some(26_214_400.0));
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 99 1 1";
        assert_eq!(ticks(stat), Some(300.0));
        let own = Process::look();
        assert!(own.resident_memory > Some(1e6) && own.open_fds > Some(2.0), "{own:?}");
        assert!(own.cpu >= Some(0.0), "{own:?}");
    }
}
