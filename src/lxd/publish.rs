//! Making an image from an instance (LXD documentation, "Images", `POST /1.0/images` with the source
//! `instance`).

use http::Method;
use serde_json::json;

use super::client::Client;
use super::error::Error;
use super::operations::Operation;
use super::route::Route;

impl Client {
    /// Begins to make an image from a stopped instance; the operation's `metadata` then has its
    /// `fingerprint`.
    ///
    /// It is not compressed: only this LXD reads it, gzip takes most of the time that publishing
    /// takes, and each storage pool unpacks it once in any case.
    ///
    /// # Errors
    /// [`StillRunning`](super::ErrorKind::StillRunning) or another refusal in LXD's words.
    pub async fn publish_instance(
        &self,
        instance: &str,
        properties: &super::Config,
    ) -> Result<Operation, Error> {
        let body = json!({
            "source": { "type": "instance", "name": instance },
            "properties": properties,
            "compression_algorithm": "none",
            "public": false,
        });
        let what = format!("make an image from instance {instance}");
        self.order(&what, Method::POST, Route::new(&["images"]), Some(&body)).await
    }
}
