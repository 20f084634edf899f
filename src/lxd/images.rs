//! Images and their names (LXD documentation, "Images"); making one from files is in `import.rs`,
//! from an instance in `publish.rs`.

use std::path::PathBuf;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, NO_BODY};
use super::envelope::{lenient_time, nullable};
use super::error::Error;
use super::operations::Operation;
use super::route::Route;

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// SHA-256 of its files, which is its name.
    pub fingerprint: String,
    /// What it says about itself, like `os` and `release`.
    #[serde(default, deserialize_with = "nullable")]
    pub properties: super::Config,
    /// `container` or `virtual-machine`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Like `x86_64`.
    #[serde(default)]
    pub architecture: String,
    /// Bytes of its files.
    #[serde(default)]
    pub size: i64,
    /// Its names.
    #[serde(default, deserialize_with = "nullable")]
    pub aliases: Vec<ImageAlias>,
    /// When it came into this LXD.
    #[serde(default, deserialize_with = "lenient_time")]
    pub uploaded_at: Option<Timestamp>,
}

/// A name of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ImageAlias {
    /// The name.
    pub name: String,
}

/// The files of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageFiles {
    /// All in one archive.
    Unified {
        /// The archive.
        path: PathBuf,
    },
    /// The metadata archive apart from the container's root file system (a squashfs or a tar).
    Container {
        /// The archive with `metadata.yaml`.
        metadata: PathBuf,
        /// The root file system.
        rootfs: PathBuf,
    },
    /// The metadata archive apart from the virtual machine's disk (qcow2).
    VirtualMachine {
        /// The archive with `metadata.yaml`.
        metadata: PathBuf,
        /// The disk.
        disk: PathBuf,
    },
}

#[derive(Deserialize)]
struct Alias {
    target: String,
}

impl Client {
    /// The image that an alias names, or `None`.
    pub async fn image_by_alias(&self, alias: &str) -> Result<Option<Image>, Error> {
        let what = format!("look up image {alias}");
        let route = Route::new(&["images", "aliases", alias]);
        match self.get_if_there::<Alias>(&what, route).await? {
            Some(found) => self.image(&found.target).await,
            None => Ok(None),
        }
    }

    /// The image with a fingerprint, or `None`.
    pub async fn image(&self, fingerprint: &str) -> Result<Option<Image>, Error> {
        let route = Route::new(&["images", fingerprint]);
        self.get_if_there(&format!("look up image {fingerprint}"), route).await
    }

    /// All images of the project.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        self.get("list images", Route::new(&["images"]).query("recursion", "1")).await
    }

    /// Changes what an image says about itself; properties that are not named stay.
    pub async fn change_image_properties(
        &self,
        fingerprint: &str,
        properties: &super::Config,
    ) -> Result<(), Error> {
        let body = json!({ "properties": properties });
        let what = format!("mark image {fingerprint}");
        self.tell(&what, Method::PATCH, Route::new(&["images", fingerprint]), Some(&body)).await
    }

    /// The fingerprint that an alias stands for, or `None`.
    pub async fn alias_target(&self, alias: &str) -> Result<Option<String>, Error> {
        let what = format!("look up image {alias}");
        let route = Route::new(&["images", "aliases", alias]);
        Ok(self.get_if_there::<Alias>(&what, route).await?.map(|found| found.target))
    }

    /// Lets an alias stand for another image. One request: there is no moment without it.
    ///
    /// # Errors
    /// [`ImageMissing`](super::ErrorKind::ImageMissing) if there is no such alias.
    pub async fn move_alias(
        &self,
        alias: &str,
        fingerprint: &str,
        description: &str,
    ) -> Result<(), Error> {
        let body = json!({ "target": fingerprint, "description": description });
        let route = Route::new(&["images", "aliases", alias]);
        let what = format!("let {alias} name image {fingerprint}");
        self.tell(&what, Method::PUT, route, Some(&body)).await
    }

    /// Gives an image a name.
    pub async fn create_alias(&self, alias: &str, fingerprint: &str) -> Result<(), Error> {
        let body = json!({ "name": alias, "target": fingerprint });
        let route = Route::new(&["images", "aliases"]);
        self.tell(&format!("name an image {alias}"), Method::POST, route, Some(&body)).await
    }

    /// Takes a name from its image.
    pub async fn delete_alias(&self, alias: &str) -> Result<(), Error> {
        let route = Route::new(&["images", "aliases", alias]);
        self.tell(&format!("delete image alias {alias}"), Method::DELETE, route, NO_BODY).await
    }

    /// Deletes an image and its names.
    pub async fn delete_image(&self, fingerprint: &str) -> Result<Operation, Error> {
        let route = Route::new(&["images", fingerprint]);
        self.order(&format!("delete image {fingerprint}"), Method::DELETE, route, NO_BODY).await
    }
}
