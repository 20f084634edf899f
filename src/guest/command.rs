//! The commands that the host runs in the guest through exec.
//!
//! LXD puts the command line of an exec into its events: nothing secret is ever in one.

use super::paths::{CLAIMED, RUN_DIR, SCRIPT};

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
pub fn probe() -> Vec<String> {
    shell(format!(
        "echo 'larm-probe 1'; \
         out=$(timeout 20 cloud-init status --format json 2>/dev/null); rc=$?; \
         if [ -z \"$out\" ] && [ $rc -lt 126 ]; then \
         out=$(timeout 20 cloud-init status --long 2>/dev/null); rc=$?; fi; \
         echo \"cloud-init $rc $(printf '%s' \"$out\" | head -c 8192 | base64 | tr -d '\\n')\"; \
         if [ -e {CLAIMED} ]; then echo 'started yes'; else echo 'started no'; fi; \
         if cat /proc/[0-9]*/comm 2>/dev/null | grep -qxE 'Runner[.](Listener|Worker)'; \
         then echo 'process yes'; else echo 'process no'; fi; \
         echo end; \
         if [ -x {SCRIPT} ]; then timeout 10 {SCRIPT} report; fi"
    ))
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
    fn the_other_commands_name_the_script() {
        assert_eq!(report(), [SCRIPT, "report"]);
        assert_eq!(flush(false), [SCRIPT, "flush", "idle"]);
        assert_eq!(flush(true), [SCRIPT, "flush", "busy"]);
        assert_eq!(unregister(), [SCRIPT, "unregister"]);
        assert_eq!(clock(17), [SCRIPT, "clock", "17"]);
        assert!(watch(7)[2].ends_with("guest watch 7"));
    }
}
