//! A shell in an instance: a terminal over websockets (LXD documentation, "Run commands in an
//! instance", interactive mode).
//!
//! Two websockets: `0` carries the terminal both ways in binary frames, `control` takes window
//! sizes and signals. The end of the stream is an empty text frame, after which LXD drops the
//! connection without a closing handshake; both count as the end.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use super::client::Client;
use super::error::{Error, ErrorKind};
use super::exec::{Exec, exit_code, tells_exit_code};
use super::operations::Operation;
use super::route::Route;
use super::websocket::{Socket, failure};

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A command with a terminal: read the output to its end, then ask for the exit code.
pub struct Session {
    /// The command. LXD does not end it before our end of the terminal is closed: drop `input` and
    /// `output` first if you wait for it yourself.
    pub operation: Operation,
    /// What the user types.
    pub input: SessionInput,
    /// What the user sees.
    pub output: SessionOutput,
    /// Window sizes and signals.
    pub control: SessionControl,
}

/// What the user types.
pub struct SessionInput {
    sink: SplitSink<Socket, Message>,
    subject: String,
}

/// What the user sees.
pub struct SessionOutput {
    stream: SplitStream<Socket>,
    subject: String,
}

/// Window sizes and signals.
pub struct SessionControl {
    socket: Socket,
    subject: String,
}

impl Client {
    /// Runs a command with a terminal of this size.
    pub async fn exec_interactive(
        &self,
        name: &str,
        exec: &Exec,
        size: Terminal,
    ) -> Result<Session, Error> {
        let what = format!("run {} in instance {name}", exec.program());
        let route = Route::new(&["instances", name, "exec"]);
        let operation = self.order(&what, Method::POST, route, Some(&body(exec, size))).await?;
        // LXD gives up if they are not all connected within 5 s.
        let data = self.attach(&what, &operation, "0").await?;
        let control = self.attach(&what, &operation, "control").await?;
        let subject = self.subject(&what);
        let (sink, stream) = data.split();
        Ok(Session {
            operation,
            input: SessionInput { sink, subject: subject.clone() },
            output: SessionOutput { stream, subject: subject.clone() },
            control: SessionControl { socket: control, subject },
        })
    }

    async fn attach(&self, what: &str, operation: &Operation, fd: &str) -> Result<Socket, Error> {
        let secret = operation.metadata.get("fds").and_then(|fds| fds.get(fd));
        let Some(secret) = secret.and_then(Value::as_str) else {
            let reason = format!("no websocket `{fd}` in the answer");
            return Err(Error::new(self.subject(what), ErrorKind::Decode { reason }));
        };
        let route = Route::new(&["operations", &operation.id, "websocket"]);
        self.websocket(what, route.query("secret", secret)).await
    }
}

fn body(exec: &Exec, size: Terminal) -> Value {
    let mut environment: BTreeMap<&str, &str> = BTreeMap::from([("TERM", "xterm-256color")]);
    environment.extend(exec.environment.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    json!({
        "command": exec.command,
        "environment": environment,
        "user": exec.user,
        "group": exec.group,
        "cwd": exec.cwd,
        "interactive": true,
        "record-output": false,
        "wait-for-websocket": true,
        "width": size.width,
        "height": size.height,
    })
}

impl Session {
    /// Closes the terminal and waits for the command's exit code, for `limit` at most.
    pub async fn exit_code(self, client: &Client, limit: Duration) -> Result<i32, Error> {
        let Self { operation, input, output, control } = self;
        drop((input, output, control));
        let ended = client.end_of(&operation, limit).await?;
        match exit_code(&ended.metadata) {
            Some(code) if tells_exit_code(&ended) => Ok(code),
            Some(_) | None => {
                let reason = "the operation has no exit code".to_owned();
                let missing = Error::new(&*operation.subject, ErrorKind::Decode { reason });
                ended.into_result(&operation.subject).and(Err(missing))
            }
        }
    }
}

impl SessionInput {
    /// Types something.
    pub async fn write(&mut self, bytes: impl Into<Bytes> + Send) -> Result<(), Error> {
        let message = Message::Binary(bytes.into());
        self.sink.send(message).await.map_err(|error| failure(&self.subject, error))
    }
}

impl SessionOutput {
    /// The next piece of output, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes)),
                Some(Ok(Message::Text(text))) if !text.is_empty() => {
                    return Ok(Some(Bytes::from(text)));
                }
                Some(Ok(Message::Text(_) | Message::Close(_))) | None => return Ok(None),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) if is_end(&error) => return Ok(None),
                Some(Err(error)) => return Err(failure(&self.subject, error)),
            }
        }
    }
}

impl SessionControl {
    /// Tells the guest the terminal's new size.
    pub async fn resize(&mut self, size: Terminal) -> Result<(), Error> {
        let args = json!({ "width": size.width.to_string(), "height": size.height.to_string() });
        self.send(&json!({ "command": "window-resize", "args": args })).await
    }

    /// Sends a signal to the command.
    pub async fn signal(&mut self, number: i32) -> Result<(), Error> {
        self.send(&json!({ "command": "signal", "signal": number })).await
    }

    async fn send(&mut self, order: &Value) -> Result<(), Error> {
        let message = Message::Text(order.to_string().into());
        self.socket.send(message).await.map_err(|error| failure(&self.subject, error))
    }
}

/// LXD ends a stream by dropping the connection.
fn is_end(error: &tungstenite::Error) -> bool {
    matches!(
        error,
        tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}
