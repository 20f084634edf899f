//! Counts what happens, and serves it over TCP where the configuration wants that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::config::Settings;
use crate::github;
use crate::manager::{Account, Accounts};
use crate::metrics::Metrics;

/// Metrics cannot be served over TCP.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics")]
pub struct MetricsListenError {
    /// Where.
    address: SocketAddr,
    /// Why.
    #[source]
    source: io::Error,
}

impl MetricsListenError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        let kind = self.source.kind();
        let hint = if kind == io::ErrorKind::AddrInUse {
            "another process listens there: give another `metrics.listen`, or none"
        } else if kind == io::ErrorKind::AddrNotAvailable {
            "give `metrics.listen` an address that this host has"
        } else {
            return None;
        };
        Some(hint.to_owned())
    }
}

/// Listens where the configuration says, if it does.
pub(super) async fn listen(settings: &Settings) -> Result<Option<TcpListener>, MetricsListenError> {
    let Some(address) = settings.metrics.listen else { return Ok(None) };
    let wrong = |source| MetricsListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    // Port 0 is any that is free.
    let address = listener.local_addr().map_err(wrong)?;
    tracing::info!(%address, "metrics are served");
    Ok(Some(listener))
}

/// The accounts, whose requests are counted.
pub(super) fn counted(accounts: &Arc<Accounts>, metrics: &Metrics) -> Arc<Accounts> {
    let observer: Arc<dyn github::Observer> = Arc::new(metrics.clone());
    let counted = accounts.0.iter().map(|(name, account)| {
        let connection = account.connection.clone().observed_by(Arc::clone(&observer));
        (name.clone(), Account { connection, ..account.clone() })
    });
    Arc::new(Accounts(counted.collect()))
}
