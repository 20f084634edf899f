//! Connections to one unix socket, each made for a request and used by it at once.
//!
//! LXD's accept loop waits for the first byte of a connection before it takes the next one
//! (`StarttlsListener.Accept` peeks): a connection that is opened and not used stops LXD for
//! everybody until it is closed. Pooling clients open such connections, to have them at hand or
//! because another one became free meanwhile. Here none is opened without a request to send.
//! The only file that names hyperlocal.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use hyperlocal::UnixConnector;
use tokio::time::Instant;
use tower_service::Service;

use super::socket::SocketPlaces;
use super::transport::Body;

/// Idle connections are kept so long.
const IDLE: Duration = Duration::from_mins(1);
/// So many idle connections are kept.
const MOST: usize = 16;

/// Connections to one unix socket.
#[derive(Debug)]
pub(super) struct Pool {
    places: SocketPlaces,
    idle: Mutex<VecDeque<(Instant, Connection)>>,
}

/// A connection that can send the next request once the last answer has been read.
#[derive(Debug)]
pub(super) struct Connection(SendRequest<Body>);

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PoolError {
    /// No connection could be made.
    #[error("the connection could not be made")]
    Connect(#[source] std::io::Error),
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

impl Pool {
    pub(super) fn new(places: SocketPlaces) -> Self {
        Self { places, idle: Mutex::default() }
    }

    /// Sends a request, on a connection that is idle or on a new one. The connection is to be
    /// given back when the answer has been read.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Connection), PoolError> {
        while let Some(mut connection) = self.take().await {
            match connection.0.try_send_request(request).await {
                Ok(answer) => return Ok((answer, connection)),
                // The server closed it while it was idle; nothing was sent.
                Err(mut failure) => match failure.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failure.into_error().into()),
                },
            }
        }
        let mut connection = self.connect().await?;
        let answer = connection.0.send_request(request).await?;
        Ok((answer, connection))
    }

    /// Keeps a connection for the next request.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle();
        idle.push_back((Instant::now(), connection));
        if idle.len() > MOST {
            idle.pop_front();
        }
    }

    /// The connection that was used last, if it still is good.
    async fn take(&self) -> Option<Connection> {
        loop {
            let (since, mut connection) = self.idle().pop_back()?;
            if since.elapsed() < IDLE && connection.0.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, PoolError> {
        let mut connector = UnixConnector;
        // How hyperlocal wants the socket's path.
        let address: Uri = hyperlocal::Uri::new(self.places.current(), "/").into();
        let stream = connector.call(address).await.map_err(PoolError::Connect)?;
        let (sender, connection) = http1::handshake(stream).await?;
        let serve = async {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection to LXD ended");
            }
        };
        // It ends with its sender, or with the server.
        TokioExecutor::new().execute(serve);
        Ok(Connection(sender))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{UnixListener, UnixStream};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::lxd::transport::empty;

    /// Takes no connection before the one before has sent its first byte, as LXD does.
    async fn accept_like_lxd(listener: UnixListener, accepted: Arc<AtomicUsize>) {
        let serving = TaskTracker::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            accepted.fetch_add(1, Ordering::Relaxed);
            stream.readable().await.unwrap();
            serving.spawn(serve(stream));
        }
    }

    async fn serve(mut stream: UnixStream) {
        let mut request = [0; 4096];
        while stream.read(&mut request).await.unwrap_or(0) > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    }

    #[tokio::test]
    async fn no_connection_is_opened_without_a_request() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("unix.socket");
        let accepted = Arc::new(AtomicUsize::new(0));
        let server = accept_like_lxd(UnixListener::bind(&socket).unwrap(), Arc::clone(&accepted));
        let pool = Pool::new(socket.clone().into());
        let call = || async {
            let request = Request::get("/1.0").header("host", "lxd").body(empty()).unwrap();
            let (answer, connection) = pool.send(request).await.unwrap();
            BodyExt::collect(answer.into_body()).await.unwrap();
            pool.give_back(connection);
        };
        let all = async {
            for _ in 0..50 {
                call().await;
            }
            futures_util::future::join_all((0..100).map(|_| call())).await;
        };
        tokio::select! {
            () = server => {}
            done = tokio::time::timeout(Duration::from_secs(20), all) => done.unwrap(),
        }
        assert!(accepted.load(Ordering::Relaxed) <= 100, "idle ones are used");
    }
}
