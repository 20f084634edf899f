//! A websocket over a connection of its own: for events and for commands in instances.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::classify::Origin;
use super::client::Client;
use super::envelope;
use super::error::{Error, ErrorKind};
use super::route::Route;

/// For connection and handshake.
const LIMIT: Duration = Duration::from_secs(10);
/// The largest message that is taken; an event is a few kilobytes.
const MESSAGE_CAP: usize = 4 << 20;

/// What a connection holds, which a hundred runners' watches have four times each.
const BUFFER: usize = 8 << 10;

/// One websocket; boxed, as it would make every future large that holds one.
pub(super) type Socket = Box<WebSocketStream<UnixStream>>;

impl Client {
    /// Opens a websocket.
    pub(super) async fn websocket(&self, what: &str, route: Route) -> Result<Socket, Error> {
        let subject = self.subject(what);
        let address = format!("ws://lxd{}", route.in_project(self.project()).to_wire());
        let open = async {
            let stream = self.transport().connect(&subject).await?;
            let config = WebSocketConfig::default()
                .read_buffer_size(BUFFER)
                .write_buffer_size(0)
                .max_message_size(Some(MESSAGE_CAP))
                .max_frame_size(Some(MESSAGE_CAP));
            let result = client_async_with_config(address, stream, Some(config)).await;
            result.map(|(socket, _)| Box::new(socket)).map_err(|error| failure(&subject, error))
        };
        match timeout(LIMIT, open).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(subject.clone(), ErrorKind::TimedOut { limit: LIMIT })),
        }
    }
}

/// The next piece of a stream, or `None` at its end: LXD says it by an empty text frame, and then
/// drops the connection without a closing handshake.
pub(super) async fn next_piece(
    stream: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
) -> Result<Option<Bytes>, tungstenite::Error> {
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes)),
            Some(Ok(Message::Text(text))) if !text.is_empty() => {
                return Ok(Some(Bytes::from(text)));
            }
            Some(Ok(Message::Text(_) | Message::Close(_))) | None => return Ok(None),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) if is_end(&error) => return Ok(None),
            Some(Err(error)) => return Err(error),
        }
    }
}

fn is_end(error: &tungstenite::Error) -> bool {
    matches!(
        error,
        tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
    )
}

/// A websocket's error as ours. A refused handshake has an HTTP answer, with LXD's words in it.
pub(super) fn failure(subject: &str, error: tungstenite::Error) -> Error {
    let kind = if let tungstenite::Error::Http(answer) = &error {
        let status = answer.status();
        let words = answer.body().as_deref().and_then(envelope::words);
        let words = words.unwrap_or_else(|| status.to_string());
        ErrorKind::from_answer(Origin::Request, i64::from(status.as_u16()), &words)
    } else {
        ErrorKind::Unreachable { reason: error.to_string() }
    };
    Error::new(subject, kind).with_source(error)
}
