//! A websocket over a connection of its own: for events and for interactive exec.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::classify::Origin;
use super::client::Client;
use super::error::{Error, ErrorKind};
use super::route::Route;

/// For connection and handshake.
const LIMIT: Duration = Duration::from_secs(10);
/// The largest message that is taken; an event is a few kilobytes.
const MESSAGE_CAP: usize = 4 << 20;

/// One websocket.
pub(super) type Socket = WebSocketStream<UnixStream>;

impl Client {
    /// Opens a websocket.
    pub(super) async fn websocket(&self, what: &str, route: Route) -> Result<Socket, Error> {
        let subject = self.subject(what);
        let address = format!("ws://lxd{}", route.in_project(self.project()).to_wire());
        let open = async {
            let stream = self.transport().connect(&subject).await?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(MESSAGE_CAP))
                .max_frame_size(Some(MESSAGE_CAP));
            let result = client_async_with_config(address, stream, Some(config)).await;
            result.map(|(socket, _)| socket).map_err(|error| failure(&subject, error))
        };
        match timeout(LIMIT, open).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(subject.clone(), ErrorKind::TimedOut { limit: LIMIT })),
        }
    }
}

/// A websocket's error as ours. A refused handshake has an HTTP answer.
pub(super) fn failure(subject: &str, error: tungstenite::Error) -> Error {
    let kind = if let tungstenite::Error::Http(answer) = &error {
        let status = answer.status();
        ErrorKind::from_answer(Origin::Request, i64::from(status.as_u16()), &status.to_string())
    } else {
        ErrorKind::Unreachable { reason: error.to_string() }
    };
    Error::new(subject, kind).with_source(error)
}
