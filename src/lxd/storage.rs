//! Storage pools (LXD documentation, "Storage pools, volumes and buckets").

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::envelope::nullable;
use super::error::Error;
use super::route::Route;

/// A storage pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StoragePool {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Like `btrfs` or `dir`.
    #[serde(default)]
    pub driver: String,
    /// `Created` when it can be used.
    #[serde(default)]
    pub status: String,
    /// Its settings.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
}

/// A storage pool to be created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewStoragePool {
    /// Its name.
    pub name: String,
    /// Like `btrfs` or `dir`.
    pub driver: String,
    /// What it is for.
    pub description: String,
    /// Its settings, like `size`.
    pub config: super::Config,
}

/// How full a pool is, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Space {
    /// All there is; 0 if the driver does not know.
    pub total: u64,
    /// What is in use.
    pub used: u64,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    space: Space,
}

impl Space {
    /// What is left, in bytes.
    pub fn free(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

impl Client {
    /// A storage pool, or `None`.
    pub async fn storage_pool(&self, name: &str) -> Result<Option<StoragePool>, Error> {
        let route = Route::new(&["storage-pools", name]);
        self.get_if_there(&format!("look up storage pool {name}"), route).await
    }

    /// All storage pools.
    pub async fn storage_pools(&self) -> Result<Vec<StoragePool>, Error> {
        let route = Route::new(&["storage-pools"]).query("recursion", "1");
        self.get("list storage pools", route).await
    }

    /// Creates a storage pool; making its file system can take a few seconds.
    pub async fn create_storage_pool(&self, pool: &NewStoragePool) -> Result<(), Error> {
        let what = format!("create storage pool {}", pool.name);
        self.tell(&what, Method::POST, Route::new(&["storage-pools"]), Some(pool)).await
    }

    /// Whether an image is unpacked in a storage pool, so that instances are made from it at once
    /// (LXD documentation, "About storage volumes": image volumes).
    pub async fn has_unpacked(&self, pool: &str, fingerprint: &str) -> Result<bool, Error> {
        let what = format!("see whether image {fingerprint} is unpacked in storage pool {pool}");
        let route = Route::new(&["storage-pools", pool, "volumes", "image", fingerprint]);
        self.get_if_there::<serde_json::Value>(&what, route).await.map(|found| found.is_some())
    }

    /// How full a storage pool is.
    pub async fn storage_pool_space(&self, name: &str) -> Result<Space, Error> {
        let route = Route::new(&["storage-pools", name, "resources"]);
        let what = format!("see how full storage pool {name} is");
        self.get::<Resources>(&what, route).await.map(|resources| resources.space)
    }
}
