//! The commands that the host runs in the guest through exec.
//!
//! LXD puts the command line of an exec into its events: nothing secret is ever in one.

use super::paths::{RUN_DIR, SCRIPT};

/// `flush`: the runner was idle, or had ended before, and will take no job any more.
pub const FLUSHED: i32 = 0;

/// `flush`: the runner is busy with a job and was left alone.
pub const BUSY: i32 = 10;

/// Most bytes that any of the commands prints, but for [`probe`] and the logs
/// ([`super::logs`]).
pub const OUTPUT_CAP: usize = 16 * 1024;

/// Most bytes that [`probe`] prints.
pub const PROBE_CAP: usize = 2 * OUTPUT_CAP;

/// How long the guest's init may take to begin, in steps of 100 ms.
const INIT_PATIENCE: u32 = 6_000;

/// Blocks until the guest's `seq` is greater than `seq`, then prints the report.
///
/// May be given as soon as the instance runs: it waits for the early boot to be over, in which a file
/// system may still be mounted over its state, and for the script to be written. The script rings it
/// as soon as it runs, so that it costs a guest that boots no CPU time; its bell has the name that
/// the script gives bells.
pub fn watch(seq: u64) -> Vec<String> {
    shell(format!(
        "i=0; until [ -d /run/systemd/system ]; do \
         i=$((i+1)); [ $i -lt {INIT_PATIENCE} ] || exit 3; sleep 0.1; done; \
         if ! [ -x {SCRIPT} ]; then \
         bells={RUN_DIR}/watch; mkdir -p $bells && chmod 700 $bells && \
         mkfifo -m 600 $bells/$$ && exec 3<> $bells/$$ || exit 3; \
         until [ -x {SCRIPT} ]; do read -r _ <&3; done; fi; \
         exec {SCRIPT} watch {seq}"
    ))
}

/// Prints the report as of now.
pub fn report() -> Vec<String> {
    verb(&["report"])
}

/// Ends the runner: with `busy` whatever it does, else only if it runs no job, decided in one step
/// with ending it. Returns [`FLUSHED`] or [`BUSY`].
pub fn flush(busy: bool) -> Vec<String> {
    verb(&["flush", if busy { "busy" } else { "idle" }])
}

/// Removes the runner's registration with the remove token that was pushed before.
pub fn unregister() -> Vec<String> {
    verb(&["unregister"])
}

/// Puts the guest's clock right, which stood still while a virtual machine was frozen: seconds
/// since the epoch. Where it is right, as in a container, nothing is done.
pub fn clock(now: i64) -> Vec<String> {
    verb(&["clock", &now.to_string()])
}

/// Looks at cloud-init and the runner's processes, which works without our script too, then prints
/// the report: what a bell that was not heard would have told.
///
/// `cloud-init status` starts Python. Its answer is kept in the guest until something changes that it
/// is made from: cloud-init's own files, or what systemd says of its units.
pub fn probe() -> Vec<String> {
    shell(include_str!("files/probe.sh").to_owned())
}

fn verb(words: &[&str]) -> Vec<String> {
    [SCRIPT].iter().chain(words).map(|word| (*word).to_owned()).collect()
}

pub(super) fn shell(text: String) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), text]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_probe_runs_without_our_script_and_parses() {
        let argv = probe();
        let output = Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
        assert!(output.status.success());
        let reading = crate::guest::probe::parse(&output.stdout);
        // A build machine may lack cloud-init, which is a reading's error and no panic.
        if let Ok(reading) = reading {
            assert!(!reading.runner_started);
        }
    }

    #[test]
    fn the_probe_names_the_same_places() {
        let text = &probe()[2];
        assert!(text.contains(&format!("[ -e {} ]", crate::guest::paths::CLAIMED)));
        assert!(text.contains(&format!("timeout 10 {SCRIPT} report")));
        assert!(text.contains(&format!("\nKEPT={RUN_DIR}/")));
    }

    #[test]
    fn the_other_commands_name_the_script() {
        assert_eq!(report(), [SCRIPT, "report"]);
        assert_eq!(flush(false), [SCRIPT, "flush", "idle"]);
        assert_eq!(flush(true), [SCRIPT, "flush", "busy"]);
        assert_eq!(unregister(), [SCRIPT, "unregister"]);
        assert_eq!(clock(17), [SCRIPT, "clock", "17"]);
        assert!(watch(7)[2].ends_with("guest watch 7"));
    }
}
