//! The image that an instance is made from (LXD documentation, "REST API", `InstanceSource`).

use std::fmt;

use serde_json::{Value, json};

/// Which image, and where LXD finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// A local image by its alias.
    Alias(String),
    /// A local image by its whole fingerprint: nobody can move it away.
    Fingerprint(String),
    /// An image of another server, which LXD fetches and keeps as long as it is used.
    Remote {
        /// The server's address, like `https://cloud-images.ubuntu.com/releases`; it speaks
        /// simplestreams.
        server: String,
        /// The image's alias there, like `24.04`.
        alias: String,
    },
}

impl ImageSource {
    /// What LXD is told.
    pub(super) fn body(&self) -> Value {
        match self {
            Self::Alias(alias) => json!({ "type": "image", "alias": alias }),
            Self::Fingerprint(fingerprint) => {
                json!({ "type": "image", "fingerprint": fingerprint })
            }
            Self::Remote { server, alias } => json!({
                "type": "image",
                "mode": "pull",
                "server": server,
                "protocol": "simplestreams",
                "alias": alias,
            }),
        }
    }
}

impl Default for ImageSource {
    /// An alias that no image has.
    fn default() -> Self {
        Self::Alias(String::new())
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alias(name) => f.write_str(name),
            // As much of it as LXD's own listings show.
            Self::Fingerprint(whole) => f.write_str(whole.get(..12).unwrap_or(whole)),
            Self::Remote { server, alias } => write!(f, "{alias} of {server}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_told_in_lxds_words() {
        let body = |source: ImageSource| source.body().to_string();
        insta::assert_snapshot!(
            body(ImageSource::Alias("a".into())), @r#"{"alias":"a","type":"image"}"#);
        insta::assert_snapshot!(
            body(ImageSource::Fingerprint("ab".into())),
            @r#"{"fingerprint":"ab","type":"image"}"#);
        let remote = ImageSource::Remote {
            server: "https://cloud-images.ubuntu.com/releases".into(),
            alias: "24.04".into(),
        };
        assert_eq!(remote.to_string(), "24.04 of https://cloud-images.ubuntu.com/releases");
        insta::assert_snapshot!(
            body(remote),
            @r#"{"alias":"24.04","mode":"pull","protocol":"simplestreams","server":"https://cloud-images.ubuntu.com/releases","type":"image"}"#);
    }
}
