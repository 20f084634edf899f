//! Networks (LXD documentation, "Networking").

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::envelope::nullable;
use super::error::Error;
use super::route::Route;

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Network {
    /// Its name, which is also that of the host's interface.
    #[serde(default)]
    pub name: String,
    /// Like `bridge`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Whether LXD made it, and not the host's administrator.
    #[serde(default)]
    pub managed: bool,
    /// `Created` when it can be used.
    #[serde(default)]
    pub status: String,
    /// Its settings, like `ipv4.address`: `10.77.0.1/24`.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
}

/// A network to be created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewNetwork {
    /// Its name, which is also that of the host's interface.
    pub name: String,
    /// Like `bridge`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is for.
    pub description: String,
    /// Its settings.
    pub config: super::Config,
}

impl Client {
    /// A network, or `None`; also one that LXD does not manage.
    pub async fn network(&self, name: &str) -> Result<Option<Network>, Error> {
        self.get_if_there(&format!("look up network {name}"), Route::new(&["networks", name])).await
    }

    /// All networks, also those that LXD does not manage.
    pub async fn networks(&self) -> Result<Vec<Network>, Error> {
        let route = Route::new(&["networks"]).query("recursion", "1");
        self.get("list networks", route).await
    }

    /// Creates a network.
    pub async fn create_network(&self, network: &NewNetwork) -> Result<(), Error> {
        let what = format!("create network {}", network.name);
        self.tell(&what, Method::POST, Route::new(&["networks"]), Some(network)).await
    }
}
