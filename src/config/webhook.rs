//! `[webhook]`: where GitHub's webhooks come in.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::place::{Faults, Placed};
use super::secret_file::SecretFile;
use super::value::WebUrl;

const PATH: &str = "/webhook";

/// Where GitHub's webhooks come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookSettings {
    /// Where larm listens for them.
    pub listen: SocketAddr,
    /// The secret that GitHub signs them with.
    pub secret_file: SecretFile,
    /// The path of the URL that they come to.
    pub path: String,
    /// The whole URL, as GitHub calls it: by it larm finds its own hook among others.
    pub url: Option<String>,
}

/// `[webhook]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebhookFragment {
    listen: Option<Placed<Listen>>,
    secret_file: Option<SecretFile>,
    path: Option<UrlPath>,
    url: Option<WebUrl>,
}

/// An address of this machine and a port.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Listen(pub(super) SocketAddr);

/// The path of a URL.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct UrlPath(String);

impl WebhookFragment {
    pub(super) fn merge(&mut self, later: Self, file: usize) {
        merge_placed!(self, later, file: listen);
        merge!(self, later: secret_file, path, url);
    }

    /// Nothing without `listen`.
    pub(super) fn into_settings(self, faults: &mut Faults) -> Option<WebhookSettings> {
        let listen = self.listen?;
        let Some(secret_file) = self.secret_file else {
            let message = "`listen` is given without `secret_file`: without a secret anybody could \
                send webhooks";
            faults.add(listen.place, message.to_owned());
            return None;
        };
        Some(WebhookSettings {
            listen: listen.value.0,
            secret_file,
            path: self.path.map_or_else(|| PATH.to_owned(), |path| path.0),
            url: self.url.map(|url| url.0),
        })
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("{text:?} is no address with a port, like \"127.0.0.1:8750\" or \"[::1]:8750\"")
        })
    }
}

impl TryFrom<String> for UrlPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '{' | '}');
        if text.starts_with('/') && text.chars().all(plain) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no path of a URL: write it like \"/webhook\""))
    }
}
