//! `[metrics]`: where Prometheus may look, beside the control socket.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::webhook::Listen;

/// Where Prometheus may look, beside the control socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MetricsSettings {
    /// The address and port to serve `GET /metrics` on, if any.
    pub listen: Option<SocketAddr>,
}

/// `[metrics]` as written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MetricsFragment {
    listen: Option<Listen>,
}

impl MetricsFragment {
    pub(super) fn merge(&mut self, later: Self) {
        merge!(self, later: listen);
    }

    pub(super) fn into_settings(self) -> MetricsSettings {
        MetricsSettings { listen: self.listen.map(|listen| listen.0) }
    }
}
