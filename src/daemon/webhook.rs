//! The place where GitHub's webhooks come in, if the configuration wants one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{CredentialError, Settings};
use crate::farm::Farm;
use crate::http::{ARRIVAL, Webhook, serve_webhook};
use crate::metrics::Metrics;

/// Why webhooks cannot be received.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Their secret could not be read.
    #[error("the webhook's secret could not be read")]
    Secret(#[from] CredentialError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for webhooks")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl WebhookError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => error.hint(),
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("another process listens there: give another `webhook.listen`".to_owned())
            }
            Self::Listen { .. } => None,
        }
    }
}

/// A webhook that is listened for and not served yet.
pub(super) struct Listening {
    listener: TcpListener,
    secret: SecretString,
    path: String,
}

pub(super) async fn listen(settings: &Settings) -> Result<Option<Listening>, WebhookError> {
    let Some(webhook) = &settings.webhook else { return Ok(None) };
    let secret = webhook.secret_file.read()?;
    let address = webhook.listen;
    let wrong = |source| WebhookError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    tracing::info!(%address, path = %webhook.path, "webhooks are received");
    Ok(Some(Listening { listener, secret, path: webhook.path.clone() }))
}

/// Serves it; where there is none, waits for the stop.
pub(super) fn serve(
    listening: Option<Listening>,
    farm: Farm,
    metrics: Metrics,
    stop: CancellationToken,
) -> Pin<Box<dyn Future<Output = io::Result<()>>>> {
    match listening {
        Some(Listening { listener, secret, path }) => {
            let sink = Arc::new(move |sighting, at| farm.deliver(sighting, at));
            let counter = Arc::new(move |outcome| metrics.webhook(outcome));
            let webhook = Webhook { sink, secret, path, arrival: ARRIVAL, counter };
            Box::pin(serve_webhook(listener, webhook, stop))
        }
        None => Box::pin(async move {
            stop.cancelled_owned().await;
            Ok(())
        }),
    }
}
