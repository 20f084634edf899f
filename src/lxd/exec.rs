//! Commands inside an instance with their output recorded (LXD documentation, "Run commands in an
//! instance"). The interactive form is in `interactive.rs`.
//!
//! The command line is seen by everyone who may listen to LXD's events, and the recorded output
//! lies on the host until it is deleted: neither may carry a secret. An exec cannot be cancelled.
//!
//! Websockets without a terminal, which would bound what lies on the host, are not used: on LXD 5.0.2
//! a command that ends while they are being connected was seen to lose its output, or to have one of
//! them refused ("Only running operations can be connected").

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::client::{Client, NO_BODY};
use super::envelope;
use super::error::{Error, ErrorKind};
use super::operations::{Ended, Finished, Operation};
use super::route::Route;
use super::transport::{Call, Overflow};

/// A command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments; LXD uses no shell.
    pub command: Vec<String>,
    /// Variables besides those that LXD sets (`PATH`, `HOME`, `USER`, `LANG`).
    pub environment: super::Config,
    /// The user it runs as; 0 is root.
    pub user: u32,
    /// The group it runs as.
    pub group: u32,
    /// Where it runs; LXD's choice if empty.
    pub cwd: String,
    /// What it writes to standard error is thrown away unread, which spares a request.
    pub quiet: bool,
}

/// What a command has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code: 127 not found, 126 not executable; killed by a signal 128 + n in a
    /// container, -1 in a virtual machine.
    pub code: i32,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error output.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than was read.
    pub truncated: bool,
}

impl Exec {
    /// A command run as root.
    pub fn new<const N: usize>(command: [&str; N]) -> Self {
        Self { command: command.into_iter().map(str::to_owned).collect(), ..Self::default() }
    }

    pub(super) fn body(&self) -> Value {
        json!({
            "command": self.command,
            "environment": self.environment,
            "user": self.user,
            "group": self.group,
            "cwd": self.cwd,
            "interactive": false,
            "record-output": true,
            "wait-for-websocket": false,
        })
    }

    /// The program's name, for errors: the rest may be long.
    pub(super) fn program(&self) -> &str {
        self.command.first().map_or("nothing", String::as_str)
    }
}

impl ExecOutput {
    /// Standard output as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl Client {
    /// Begins to run a command and records its output; read it with [`Client::exec_output`].
    ///
    /// # Errors
    /// [`ErrorKind::NotRunning`], [`ErrorKind::Frozen`], [`ErrorKind::NotFound`]. That a virtual
    /// machine's agent does not answer is known when the operation ends.
    pub async fn exec_recorded(&self, name: &str, exec: &Exec) -> Result<Operation, Error> {
        let what = format!("run {} in instance {name}", exec.program());
        let route = Route::new(&["instances", name, "exec"]);
        self.order(&what, Method::POST, route, Some(&exec.body())).await
    }

    /// Reads what a recorded command has left, at most `cap` bytes of each stream, and deletes it
    /// on the host. `metadata` is that of the operation, from its end or from its event.
    pub async fn exec_output(
        &self,
        name: &str,
        metadata: &Value,
        cap: usize,
    ) -> Result<ExecOutput, Error> {
        self.output(name, metadata, cap, false).await
    }

    async fn output(
        &self,
        name: &str,
        metadata: &Value,
        cap: usize,
        quiet: bool,
    ) -> Result<ExecOutput, Error> {
        let code = exit_code(metadata).ok_or_else(|| {
            let reason = "the operation has no exit code".to_owned();
            let subject = format!("read the output of a command in instance {name}");
            Error::new(self.subject(&subject), ErrorKind::Decode { reason })
        })?;
        let stderr = async {
            match recorded_at(metadata, "2") {
                Some(route) if quiet => {
                    self.discard(route).await;
                    Ok(<_>::default())
                }
                route => self.recorded(route, cap).await,
            }
        };
        let (stdout, stderr) = tokio::join!(self.recorded(recorded_at(metadata, "1"), cap), stderr);
        let (stdout, stderr) = (stdout?, stderr?);
        let truncated = stdout.1 || stderr.1;
        Ok(ExecOutput { code, stdout: stdout.0, stderr: stderr.0, truncated })
    }

    /// Runs a command from its beginning to its end: at most `limit` for the command itself, at
    /// most `cap` bytes of each output. A command that is missing is code 127, not an error.
    ///
    /// # Errors
    /// After [`ErrorKind::TimedOut`] the command goes on in the guest.
    pub async fn run(
        &self,
        name: &str,
        exec: &Exec,
        cap: usize,
        limit: Duration,
    ) -> Result<ExecOutput, Error> {
        let operation = self.exec_recorded(name, exec).await?;
        let ended = match self.end_of(&operation, limit).await {
            Ok(ended) => ended,
            Err(error) => {
                if matches!(error.kind(), ErrorKind::TimedOut { .. } | ErrorKind::OperationLost) {
                    Box::pin(self.discard_output(name, &operation)).await;
                }
                return Err(error);
            }
        };
        if exit_code(&ended.metadata).is_some() && tells_exit_code(&ended) {
            return Box::pin(self.output(name, &ended.metadata, cap, exec.quiet)).await;
        }
        Box::pin(self.discard_output(name, &operation)).await;
        match missing_command(&ended.err) {
            Some(code) => Ok(ExecOutput { code, ..ExecOutput::default() }),
            None => ended.into_result(&operation.subject).and_then(|Finished { metadata }| {
                let reason = format!("no exit code in {metadata}");
                Err(Error::new(&*operation.subject, ErrorKind::Decode { reason }))
            }),
        }
    }

    /// Reads one recorded stream, then deletes it whether it could be read or not.
    async fn recorded(&self, route: Option<Route>, cap: usize) -> Result<(Vec<u8>, bool), Error> {
        let Some(route) = route else { return Ok((Vec::new(), false)) };
        let call = self.call("read the output of a command", Method::GET, route.clone());
        let subject = call.subject.clone();
        let reply = self.send(Call { cap, overflow: Overflow::KeepHead, ..call }).await;
        self.discard(route).await;
        let reply = reply?;
        if reply.status.is_success() {
            return Ok((reply.body.to_vec(), reply.truncated));
        }
        Err(envelope::refusal(&subject, &reply))
    }

    /// Deletes what a failed command has left: LXD opens the files before it tries, and leaves
    /// them without telling where. Their names follow from the operation's.
    async fn discard_output(&self, name: &str, operation: &Operation) {
        for stream in ["stdout", "stderr"] {
            let file = format!("exec_{}.{stream}", operation.id);
            if !self.discard(Route::new(&["instances", name, "logs", &file])).await {
                // Where Incus and newer LXD keep it.
                self.discard(Route::new(&["instances", name, "logs", "exec-output", &file])).await;
            }
        }
    }

    /// Deletes a recorded stream; that it cannot be deleted harms nobody. Returns whether it was
    /// there.
    async fn discard(&self, route: Route) -> bool {
        let result = self.tell("delete recorded output", Method::DELETE, route, NO_BODY).await;
        if let Err(error) = &result {
            tracing::debug!(%error, "recorded output stays");
        }
        result.is_ok()
    }
}

/// Where LXD keeps a recorded stream: "1" or "2".
fn recorded_at(metadata: &Value, stream: &str) -> Option<Route> {
    let url = metadata.get("output").and_then(|output| output.get(stream));
    url.and_then(Value::as_str).and_then(Route::returned)
}

/// A virtual machine that was stopped under a command leaves `return: -1` and an error: the error
/// is the truth then. For codes 126 and 127 LXD calls a command that ended a failure.
pub(super) fn tells_exit_code(ended: &Ended) -> bool {
    ended.err.is_empty() || missing_command(&ended.err).is_some()
}

pub(super) fn exit_code(metadata: &Value) -> Option<i32> {
    metadata.get("return").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok())
}

fn missing_command(err: &str) -> Option<i32> {
    let err = err.to_lowercase();
    if err.contains("command not found") {
        Some(127)
    } else if err.contains("command not executable") {
        Some(126)
    } else {
        None
    }
}
