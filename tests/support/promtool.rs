//! Prometheus' own judge of metrics and rules, where it is there.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where `promtool` is; `None`, with a word, where nobody has said. `scripts/test` fetches it and
/// says so.
#[expect(clippy::print_stderr, reason = "what is left out is said")]
pub fn promtool() -> Option<PathBuf> {
    let path = std::env::var_os("LARM_TEST_PROMTOOL").filter(|path| !path.is_empty());
    if path.is_none() {
        eprintln!("LARM_TEST_PROMTOOL is not set: promtool is left out");
    }
    path.map(PathBuf::from)
}

/// Lets it judge a text, which must leave it nothing to say.
pub fn clean(arguments: &[&str], text: &str) {
    let Some(promtool) = promtool() else { return };
    let mut command = Command::new(promtool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && told.is_empty(), "promtool says:\n{told}");
}
