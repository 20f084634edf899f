//! The logs that lie in a guest: the commands that print them, and how to read what comes back.
//!
//! ```text
//! larm-logs 1
//! runner.log BASE64
//! kernel.log BASE64
//! end
//! ```
//!
//! The names are ours and everything else is base64, so that no content can look like the frame or
//! choose a name. What is cut off, not ours or no base64 is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::command::shell;
use super::paths::{APPLICATION, METRICS_DIR, STATUS};

/// One log in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestLog {
    /// Its name, one of [`NAMES`].
    pub name: &'static str,
    /// Its end.
    pub text: Vec<u8>,
}

/// The logs in a guest, each named as it is kept.
pub const NAMES: [&str; 7] = [
    "status",
    "runner.log",
    "cloud-init-output.log",
    "diag-runner.log",
    "diag-worker.log",
    "kernel.log",
    "metrics",
];

/// The systemd units whose journal is [`NAMES`]' `runner.log`.
const UNITS: &str = "--unit larm-runner.service --unit larm-application.service";

/// What prints a log.
fn source(name: &str, cap: usize) -> String {
    let newest = |names: &str| {
        format!(
            "file=$(find {APPLICATION}/_diag -maxdepth 1 -type f -name '{names}' 2>/dev/null \
             | sort | tail -n 1); [ -z \"$file\" ] || timeout 4 tail -c {cap} \"$file\""
        )
    };
    match name {
        "status" => format!(
            "timeout 2 head -c 4096 {STATUS}; echo; timeout 20 cloud-init status --long; echo; \
             timeout 5 systemctl show larm-runner.service --property \
             ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,MemoryPeak,OOMPolicy; \
             timeout 5 systemctl --no-pager --plain --failed"
        ),
        "runner.log" => {
            format!("timeout 8 journalctl --no-pager --output short-iso --lines 5000 {UNITS}")
        }
        "cloud-init-output.log" => {
            format!("timeout 4 tail -c {cap} /var/log/cloud-init-output.log")
        }
        "diag-runner.log" => newest("Runner_*.log"),
        "diag-worker.log" => newest("Worker_*.log"),
        // What a job has put there in place of the hooks' files, if it has.
        "metrics" => format!(
            "cd {METRICS_DIR} && for file in *-metrics.json; do echo \"$file:\"; \
             [ -L \"$file\" ] || [ ! -f \"$file\" ] || timeout 2 head -c 2048 \"$file\"; \
             echo; done; ls -la"
        ),
        // A container's kernel log is the host's, and is not shown to it; systemd and the control
        // groups tell of memory all the same.
        _ => "cd /sys/fs/cgroup && for file in memory.max memory.peak memory.events \
              memory/memory.limit_in_bytes memory/memory.max_usage_in_bytes \
              memory/system.slice/larm-runner.service/memory.oom_control \
              system.slice/larm-runner.service/memory.events; do \
              [ ! -f $file ] || { echo \"$file:\"; timeout 2 head -c 4096 $file; }; done; \
              echo 'journal:'; timeout 5 journalctl --no-pager --output short-iso --lines 200 \
              --grep 'out of memory|oom|killed|segfault'; \
              timeout 5 journalctl --no-pager --output short-iso --lines 500 --dmesg"
            .to_owned(),
    }
}

/// Prints logs by their names, of each the last `cap` bytes.
pub fn print(names: &[&str], cap: usize) -> Vec<String> {
    let one = |name: &&str| {
        let source = source(name, cap);
        format!("printf '%s ' {name}; {{ {source}; }} 2>&1 | tail -c {cap} | base64 -w 0; echo; ")
    };
    let all: String = names.iter().map(one).collect();
    shell(format!("echo 'larm-logs 1'; {all}echo end"))
}

/// Most bytes of the output of [`print()`] that are read.
pub fn output_cap(names: &[&str], cap: usize) -> usize {
    // Base64 makes four bytes of three.
    let each = cap.saturating_mul(4).div_ceil(3).saturating_add(64);
    each.saturating_mul(names.len()).saturating_add(64)
}

/// Prints the journal of the runner's units, and goes on as it grows.
pub fn follow() -> Vec<String> {
    let words = format!("journalctl --no-pager --output short-iso --lines 200 --follow {UNITS}");
    words.split_whitespace().map(str::to_owned).collect()
}

/// Reads what [`print()`] printed: the logs that came whole, and have anything in them.
pub fn parse(output: &[u8], cap: usize) -> Vec<GuestLog> {
    let mut found: Vec<GuestLog> = Vec::new();
    // What comes after the last end of a line was cut off.
    let whole = output.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    for line in output.split_at(whole).0.split(|byte| *byte == b'\n') {
        let Some((name, text)) = log(line, cap) else { continue };
        if !text.is_empty() && !found.iter().any(|known| known.name == name) {
            found.push(GuestLog { name, text });
        }
    }
    found
}

fn log(line: &[u8], cap: usize) -> Option<(&'static str, Vec<u8>)> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (name, rest) = line.split_at(space);
    let name = NAMES.into_iter().find(|known| known.as_bytes() == name)?;
    let text = STANDARD.decode(rest.trim_ascii()).ok()?;
    Some((name, end_of(text, cap)))
}

/// The last `cap` bytes of a log. A line whose beginning was cut off goes too: it may be the rest of
/// a secret that nobody recognises any more.
pub fn end_of(text: Vec<u8>, cap: usize) -> Vec<u8> {
    if text.len() < cap {
        return text;
    }
    let surplus = text.len().saturating_sub(cap);
    let kept = text.split_at(surplus).1;
    let line = kept.iter().position(|byte| *byte == b'\n').map_or(kept.len(), |at| at + 1);
    kept.split_at(line).1.to_vec()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn framed(logs: &[(&str, &str)]) -> Vec<u8> {
        let line = |(name, text): &(&str, &str)| format!("{name} {}\n", STANDARD.encode(text));
        format!("larm-logs 1\n{}end\n", logs.iter().map(line).collect::<String>()).into_bytes()
    }

    #[test]
    fn logs_are_read_by_their_names() {
        let output = framed(&[
            ("runner.log", "a\nb\n"),
            ("../../etc/passwd", "x"),
            ("runner.log", "a second one"),
            ("kernel.log", ""),
            ("status", "phase busy\n"),
        ]);
        let read: Vec<_> =
            parse(&output, 100).into_iter().map(|log| (log.name, log.text)).collect();
        assert_eq!(
            read,
            [("runner.log", b"a\nb\n".to_vec()), ("status", b"phase busy\n".to_vec())]
        );
        assert_eq!(parse(b"runner.log !no base64\nend\n", 100), []);
        assert_eq!(parse(b"runner.log YQ", 100), [], "cut off");
    }

    #[test]
    fn a_line_that_was_cut_off_is_left_out() {
        assert_eq!(end_of(b"secret\nwhole\n".to_vec(), 10), b"whole\n");
        assert_eq!(end_of(b"one long line".to_vec(), 5), b"");
        assert_eq!(end_of(b"short\n".to_vec(), 100), b"short\n");
    }

    #[test]
    fn the_command_runs_anywhere_and_is_read_back() {
        let argv = print(&NAMES, 4096);
        let output = Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
        assert!(output.status.success() && output.stdout.ends_with(b"\nend\n"));
        assert!(output.stdout.len() <= output_cap(&NAMES, 4096));
        // Whatever this machine lacks says so.
        let read = parse(&output.stdout, 4096);
        assert!(read.iter().any(|log| log.name == "cloud-init-output.log"), "{read:?}");
        assert!(read.iter().all(|log| log.text.len() <= 4096));
    }

    proptest! {
        #[test]
        fn any_output_is_read_within_the_cap(output in any::<Vec<u8>>(), cap in 0usize..64) {
            for log in parse(&output, cap) {
                prop_assert!(NAMES.contains(&log.name) && log.text.len() <= cap.max(1));
            }
        }
    }
}
