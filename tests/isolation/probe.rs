//! Tries from inside a guest.

use std::time::Duration;

use larm::lxd::{Client, Exec};

/// Connects to each address and port given as arguments, from a source address or from none ("-"),
/// and prints a line for each: what became of it.
const PROBE: &str = r#"
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def probe(one):
    source, address, port = one.split(",")
    try:
        target = socket.getaddrinfo(address, int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(target[0], socket.SOCK_STREAM) as made:
            made.settimeout(4)
            if source != "-":
                made.bind((source, 0))
            made.connect(target[4])
        return "open"
    except OSError:
        return "shut"
places = sys.argv[1:]
for line in ThreadPoolExecutor(len(places)).map(probe, places):
    print(line)
"#;

/// A place to connect to.
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) address: String,
    pub(crate) port: u16,
}

/// Which of the places can be connected to from inside an instance, by what they are.
pub(crate) async fn open<'a>(client: &Client, name: &str, targets: &'a [Target]) -> Vec<&'a str> {
    open_from(client, name, "-", targets).await
}

/// As [`open`], from this source address.
pub(crate) async fn open_from<'a>(
    client: &Client,
    name: &str,
    source: &str,
    targets: &'a [Target],
) -> Vec<&'a str> {
    let each = targets.iter().map(|one| format!("{source},{},{}", one.address, one.port));
    let command = ["python3", "-c", PROBE].map(str::to_owned).into_iter().chain(each).collect();
    let said = run(client, name, command).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), targets.len(), "{said}");
    let found = targets.iter().zip(lines);
    found.filter(|(_, line)| *line == "open").map(|(target, _)| target.what).collect()
}

/// Runs a script as root; what it says.
pub(crate) async fn sh(client: &Client, name: &str, script: &str) -> String {
    run(client, name, ["sh", "-c", script].map(str::to_owned).to_vec()).await
}

async fn run(client: &Client, name: &str, command: Vec<String>) -> String {
    let exec = Exec { command, ..Exec::default() };
    let done = client.run(name, &exec, 64 << 10, Duration::from_mins(1)).await.unwrap();
    done.text()
}
