//! Commands inside an instance whose output comes over websockets and never lies on the host (LXD
//! documentation, "Run commands in an instance", non-interactive mode).
//!
//! ```text
//! 0 <- end of input at once     1, 2 -> output, up to a cap     control: its loss ends the command
//! ```
//!
//! A guest can write without end: what is recorded would fill the host's disk, what goes through a
//! websocket only waits. And a command lives no longer than whoever waits for it: when the websockets
//! are dropped, LXD kills it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use http::Method;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;
use super::error::{Error, ErrorKind};
use super::exec::{Exec, ExecOutput, exit_code, missing_command, tells_exit_code};
use super::operations::{Ended, Finished, Operation};
use super::route::Route;
use super::websocket::{Socket, next_piece};

/// How long a command that was cut off may take to end.
const CUT_OFF: Duration = Duration::from_secs(5);

/// The websockets of one command.
struct Streams {
    input: Socket,
    stdout: Socket,
    stderr: Socket,
    control: Socket,
}

/// What is kept of one stream.
#[derive(Debug, Default)]
struct Capture {
    bytes: Vec<u8>,
    ended: bool,
    full: bool,
}

impl Client {
    /// Runs a command from its beginning to its end: at most `limit` for the command itself, at
    /// most `cap` bytes of each output, after which it is killed. A command that is missing is code
    /// 127, not an error.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] when it takes longer than `limit`; it is killed. What the guest or
    /// LXD have against it: [`ErrorKind::NotRunning`], [`ErrorKind::Frozen`],
    /// [`ErrorKind::NotFound`], [`ErrorKind::AgentNotRunning`].
    pub async fn run(
        &self,
        name: &str,
        exec: &Exec,
        cap: usize,
        limit: Duration,
    ) -> Result<ExecOutput, Error> {
        let what = format!("run {} in instance {name}", exec.program());
        let route = Route::new(&["instances", name, "exec"]);
        let operation = self.order(&what, Method::POST, route, Some(&exec.attached_body())).await?;
        let attended = timeout(limit, self.attend(&what, &operation, cap, limit)).await;
        let timed_out = |_| Error::new(&*operation.subject, ErrorKind::TimedOut { limit });
        attended.map_err(timed_out)?
    }

    async fn attend(
        &self,
        what: &str,
        operation: &Operation,
        cap: usize,
        limit: Duration,
    ) -> Result<ExecOutput, Error> {
        let Streams { mut input, stdout, stderr, control } =
            // Boxed: it would stay with every watch for as long as that waits.
            match Box::pin(self.open_streams(what, operation)).await {
                Ok(streams) => streams,
                Err(error) => return self.without_streams(operation, error).await,
            };
        // It has no input. Where the command has ended already nobody takes it.
        drop(input.send(Message::Text("".into())).await);
        let mut held = Some((input, control));
        let read = async {
            let captured = capture(stdout, stderr, cap).await;
            if captured.0.full || captured.1.full {
                held.take();
            }
            captured
        };
        let (captured, ended) = tokio::join!(read, self.end_of(operation, limit));
        drop(held);
        output(operation, captured, ended?)
    }

    async fn open_streams(&self, what: &str, operation: &Operation) -> Result<Streams, Error> {
        let open = |fd| self.attach(what, operation, fd);
        // LXD gives up if they are not all connected within 5 s.
        let (input, stdout, stderr, control) =
            tokio::try_join!(open("0"), open("1"), open("2"), open("control"))?;
        Ok(Streams { input, stdout, stderr, control })
    }

    /// A command that has failed before it was attended, like one whose instance is gone.
    async fn without_streams(
        &self,
        operation: &Operation,
        error: Error,
    ) -> Result<ExecOutput, Error> {
        match timeout(CUT_OFF * 2, self.end_of(operation, CUT_OFF * 2)).await {
            Ok(Ok(ended)) if !ended.err.is_empty() => {
                output(operation, (Capture::default(), Capture::default()), ended)
            }
            _ if error.is_not_found() => {
                Err(Error::new(&*operation.subject, ErrorKind::OperationLost).with_source(error))
            }
            _ => Err(error),
        }
    }
}

/// Reads both streams to their ends, or until one of them is full.
async fn capture(mut stdout: Socket, mut stderr: Socket, cap: usize) -> (Capture, Capture) {
    let (mut out, mut err) = (Capture::default(), Capture::default());
    while !(out.full || err.full || (out.ended && err.ended)) {
        tokio::select! {
            piece = next_piece(&mut stdout), if !out.ended => out.take(piece.ok().flatten(), cap),
            piece = next_piece(&mut stderr), if !err.ended => err.take(piece.ok().flatten(), cap),
        }
    }
    (out, err)
}

fn output(
    operation: &Operation,
    (stdout, stderr): (Capture, Capture),
    ended: Ended,
) -> Result<ExecOutput, Error> {
    let truncated = stdout.full || stderr.full;
    let code = match exit_code(&ended.metadata) {
        Some(code) if truncated || tells_exit_code(&ended) => Some(code),
        Some(_) | None => missing_command(&ended.err),
    };
    let Some(code) = code else {
        return ended.into_result(&operation.subject).and_then(|Finished { metadata }| {
            let reason = format!("no exit code in {metadata}");
            Err(Error::new(&*operation.subject, ErrorKind::Decode { reason }))
        });
    };
    Ok(ExecOutput { code, stdout: stdout.bytes, stderr: stderr.bytes, truncated })
}

impl Capture {
    /// Takes what came; nothing means the end, also where the connection broke: the operation's own
    /// end then tells why.
    fn take(&mut self, piece: Option<Bytes>, cap: usize) {
        let Some(piece) = piece else {
            self.ended = true;
            return;
        };
        let room = cap.saturating_sub(self.bytes.len());
        self.full = piece.len() > room;
        self.bytes.extend(piece.iter().take(room));
    }
}
