//! The signals that ask to stop.

use std::fs;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::DaemonError;

/// SIGTERM, SIGINT, and SIGHUP of a terminal that was closed.
#[derive(Debug)]
pub struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
    /// `None` where whoever started us had it ignored, as nohup(1) does: to catch it would undo that.
    hang_up: Option<Signal>,
}

impl StopSignal {
    /// Catches them from here on: none is a sudden death any more.
    pub fn catch() -> Result<Self, DaemonError> {
        let catch = |kind| signal(kind).map_err(DaemonError::Signals);
        let hang_up = SignalKind::hangup();
        let ignored =
            is_ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default(), hang_up);
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hang_up: if ignored { None } else { Some(catch(hang_up)?) },
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
        tracing::info!("{name}");
    }
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
