//! The signals that ask to stop.

use std::fs;
use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::DaemonError;

/// A signal of the same kind that comes so soon after another is its echo: timeout(1) sends it to
/// the process, and then to the group that the process is in.
const ECHO: Duration = Duration::from_millis(100);

/// SIGTERM, SIGINT, and SIGHUP of a terminal that was closed.
#[derive(Debug)]
pub struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
    /// `None` where whoever started us had it ignored, as nohup(1) does: to catch it would undo that.
    hang_up: Option<Signal>,
    last: Option<(&'static str, Instant)>,
    /// Whether a terminal started us.
    of_terminal: bool,
}

/// What a signal asks a daemon for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To end.
    Stop,
    /// To read the configuration again.
    Reload,
}

impl StopSignal {
    /// Catches them from here on: none is a sudden death any more.
    pub fn catch() -> Result<Self, DaemonError> {
        let catch = |kind| signal(kind).map_err(DaemonError::Signals);
        let hang_up = SignalKind::hangup();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = is_ignored(&status, hang_up);
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hang_up: if ignored { None } else { Some(catch(hang_up)?) },
            last: None,
            of_terminal: io::stderr().is_terminal(),
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        let hung_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hung_up => "SIGHUP",
        };
        self.last = Some((name, Instant::now()));
        tracing::info!("{name}");
    }

    /// Waits for the next one, as a daemon understands them: SIGHUP is a wish to read the
    /// configuration again, unless a terminal that was closed sends it.
    pub async fn next_for_daemon(&mut self) -> Asked {
        self.next().await;
        let hang_up = self.last.is_some_and(|(name, _)| name == "SIGHUP");
        if hang_up && !self.of_terminal { Asked::Reload } else { Asked::Stop }
    }

    /// Waits until somebody insists: for one more SIGTERM or SIGINT. SIGHUP says nothing new: the
    /// kernel sends it, and a shell sends it to its jobs again.
    pub async fn insisted(&mut self) {
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            };
            if !self.last.is_some_and(|last| is_echo(last, (name, Instant::now()))) {
                tracing::info!("{name} again");
                return;
            }
        }
    }
}

fn is_echo(last: (&str, Instant), now: (&str, Instant)) -> bool {
    last.0 == now.0 && now.1.duration_since(last.1) < ECHO
}

/// Whether a process ignores a signal, from its proc(5) `status`: bit n-1 of `SigIgn` is signal n.
fn is_ignored(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(u32::MAX);
    mask.checked_shr(bit).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `timeout 1m larm smoke` sent SIGTERM twice, and the instances were left as they were.
    #[test]
    fn what_comes_twice_at_once_was_said_once() {
        let first = Instant::now();
        let (soon, later) = (first + ECHO / 10, first + ECHO * 2);
        assert!(is_echo(("SIGTERM", first), ("SIGTERM", soon)));
        assert!(!is_echo(("SIGTERM", first), ("SIGTERM", later)));
        assert!(!is_echo(("SIGTERM", first), ("SIGINT", soon)));
    }

    #[test]
    fn an_ignored_signal_is_seen() {
        let status =
            |mask: &str| format!("Name:\tlarm\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(is_ignored(&status("0000000000001001"), SignalKind::hangup()));
        assert!(!is_ignored(&status("0000000000001002"), SignalKind::hangup()));
        assert!(is_ignored(&status("0000000000001002"), SignalKind::interrupt()));
        assert!(!is_ignored("", SignalKind::hangup()));
    }
}
