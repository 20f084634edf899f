//! What [`super::command::probe`] prints, read as hostile input.
//!
//! ```text
//! larm-probe 1
//! cloud-init EXIT-CODE BASE64
//! started yes|no
//! process yes|no
//! end
//! ```
//!
//! The guest's report follows, if its script is there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cloud_init::{self, CloudInitError};
use super::{command, report};
use crate::model::{GuestReport, ProbeReading};

/// Why there is no reading. None of these says that the runner is unhealthy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The probe printed nothing that can be understood.
    #[error("the probe of the guest printed nothing that can be understood")]
    Unintelligible,
    /// cloud-init gave no status.
    #[error(transparent)]
    CloudInit(#[from] CloudInitError),
}

/// Reads what the probe printed.
pub fn parse(bytes: &[u8]) -> Result<ProbeReading, ProbeError> {
    let (code, output, runner_started, runner_process) =
        fields(bytes).ok_or(ProbeError::Unintelligible)?;
    let cloud_init = cloud_init::parse(code, &output)?;
    Ok(ProbeReading { cloud_init, runner_started, runner_process })
}

/// The report that follows the probe, if there is one that can be read.
pub fn report(bytes: &[u8]) -> Option<GuestReport> {
    const END: &[u8] = b"\nend\n";
    let end = bytes.windows(END.len()).position(|window| window == END)?;
    report::parse(bytes.get(end + END.len()..)?).ok()
}

/// Writes what the probe prints, for a simulated guest: `cloud-init status` returned `code` and
/// printed `output`.
pub fn render(code: i32, output: &str, runner_started: bool, runner_process: bool) -> String {
    let word = |yes: bool| if yes { "yes" } else { "no" };
    format!(
        "larm-probe 1\ncloud-init {code} {}\nstarted {}\nprocess {}\nend\n",
        STANDARD.encode(output),
        word(runner_started),
        word(runner_process),
    )
}

fn fields(bytes: &[u8]) -> Option<(i32, Vec<u8>, bool, bool)> {
    if bytes.len() > command::PROBE_CAP {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    (lines.next()? == "larm-probe 1").then_some(())?;
    let (code, output) = lines.next()?.strip_prefix("cloud-init ")?.split_once(' ')?;
    let started = yes(lines.next()?.strip_prefix("started ")?)?;
    let process = yes(lines.next()?.strip_prefix("process ")?)?;
    (lines.next()? == "end").then_some(())?;
    Some((code.parse().ok()?, STANDARD.decode(output).ok()?, started, process))
}

fn yes(word: &str) -> Option<bool> {
    match word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CloudInitStatus;
    use proptest::prelude::*;

    #[test]
    fn a_probe_is_read_back_as_rendered() {
        let printed = render(0, r#"{"status":"running","errors":[]}"#, true, false);
        let reading = parse(printed.as_bytes()).unwrap();
        assert_eq!(reading.cloud_init.status, CloudInitStatus::Running);
        assert!(reading.runner_started && !reading.runner_process);
    }

    #[test]
    fn the_report_follows_the_probe() {
        let probe = render(0, r#"{"status":"running"}"#, true, true);
        let told = "larm-report 1\nstatus bGFybS1zdGF0dXMgMQpzZXEgNApwaGFzZSBidXN5Cg==\nend\n";
        let both = format!("{probe}{told}");
        assert!(parse(both.as_bytes()).is_ok());
        assert_eq!(report(both.as_bytes()).map(|report| report.seq), Some(4));
        assert_eq!(report(probe.as_bytes()), None);
    }

    #[test]
    fn a_missing_cloud_init_is_told_apart_from_nonsense() {
        let missing = parse(render(127, "", false, false).as_bytes());
        assert_eq!(missing, Err(ProbeError::CloudInit(CloudInitError::Missing)));
        let silent = parse(render(0, "", false, false).as_bytes());
        assert_eq!(silent, Err(ProbeError::CloudInit(CloudInitError::Unintelligible(0))));
        for nonsense in ["", "larm-probe 1\n", "larm-probe 1\ncloud-init 0 e30=\nstarted yes\n"] {
            assert_eq!(parse(nonsense.as_bytes()), Err(ProbeError::Unintelligible));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            drop(parse(&bytes));
            drop(report(&bytes));
            let output = String::from_utf8_lossy(&bytes);
            drop(parse(render(0, &output, true, true).as_bytes()));
        }
    }
}
