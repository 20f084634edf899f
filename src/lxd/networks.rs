//! Networks (LXD documentation, "Networking").

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::{Client, NO_BODY};
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
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// `Created` when it can be used.
    #[serde(default)]
    pub status: String,
    /// Its settings, like `ipv4.address`: `10.77.0.1/24`.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
}

/// A thing as it was read, and the mark of that version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged<T> {
    /// The thing.
    pub value: T,
    /// LXD's `ETag`; a change that carries it fails if the thing has changed since.
    pub etag: String,
}

/// What is to change of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NetworkChange {
    /// What it is for; as it is read, to keep it.
    pub description: String,
    /// The settings that are to be others; all that are not named stay.
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

    /// A network and its version, or `None`.
    pub async fn network_tagged(&self, name: &str) -> Result<Option<Tagged<Network>>, Error> {
        let what = format!("look up network {name}");
        self.get_tagged(&what, Route::new(&["networks", name])).await
    }

    /// Changes a network, unless it has changed since `etag` was read
    /// ([`Error::is_changed_meanwhile`]).
    pub async fn change_network(
        &self,
        name: &str,
        change: &NetworkChange,
        etag: &str,
    ) -> Result<(), Error> {
        let what = format!("change network {name}");
        self.tell_if(&what, Method::PATCH, Route::new(&["networks", name]), change, etag).await
    }

    /// Deletes a network that nothing uses.
    pub async fn delete_network(&self, name: &str) -> Result<(), Error> {
        let route = Route::new(&["networks", name]);
        self.tell(&format!("delete network {name}"), Method::DELETE, route, NO_BODY).await
    }
}
