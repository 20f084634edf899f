//! What an image is made from, as an operator writes it.

use std::str::FromStr;

use crate::lxd::ImageSource;

/// The servers that `lxc` knows by these names (LXD documentation, "Remote image servers").
const REMOTES: [(&str, &str); 3] = [
    ("ubuntu", "https://cloud-images.ubuntu.com/releases"),
    ("ubuntu-daily", "https://cloud-images.ubuntu.com/daily"),
    ("images", "https://images.lxd.canonical.com"),
];
/// Letters of a whole fingerprint.
const FINGERPRINT: usize = 64;

/// What an image is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// As it is written.
    pub written: String,
    /// What LXD is told.
    pub source: ImageSource,
}

/// Why that is no base.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// It is nothing, or half of something.
    #[error("\"{0}\" is no image: write its alias or fingerprint, or REMOTE:ALIAS")]
    Form(String),
    /// The remote is none that is known.
    #[error(
        "\"{0}\" is no image server: larm knows ubuntu, ubuntu-daily, images and https://SERVER"
    )]
    Remote(String),
}

impl FromStr for Base {
    type Err = BaseError;

    fn from_str(text: &str) -> Result<Self, BaseError> {
        let source = match text.rsplit_once(':') {
            Some((remote, alias)) if !alias.is_empty() && !alias.starts_with("//") => {
                let server = server(remote).ok_or_else(|| BaseError::Remote(remote.to_owned()))?;
                ImageSource::Remote { server, alias: alias.to_owned() }
            }
            Some(_) => return Err(BaseError::Form(text.to_owned())),
            None if text.is_empty() => return Err(BaseError::Form(text.to_owned())),
            None if is_fingerprint(text) => ImageSource::Fingerprint(text.to_owned()),
            None => ImageSource::Alias(text.to_owned()),
        };
        Ok(Self { written: text.to_owned(), source })
    }
}

fn server(remote: &str) -> Option<String> {
    if remote.strip_prefix("https://").is_some_and(|host| !host.is_empty() && !host.contains('@')) {
        return Some(remote.trim_end_matches('/').to_owned());
    }
    let known = REMOTES.iter().find(|(name, _)| *name == remote);
    known.map(|(_, server)| (*server).to_owned())
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == FINGERPRINT && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_local_or_of_a_server() {
        let source = |text: &str| text.parse::<Base>().unwrap().source;
        assert_eq!(source("larm-debian12"), ImageSource::Alias("larm-debian12".into()));
        let whole = "ab".repeat(32);
        assert_eq!(source(&whole), ImageSource::Fingerprint(whole.clone()));
        let remote = |server: &str, alias: &str| ImageSource::Remote {
            server: server.to_owned(),
            alias: alias.to_owned(),
        };
        let ubuntu = remote("https://cloud-images.ubuntu.com/releases", "24.04");
        assert_eq!(source("ubuntu:24.04"), ubuntu);
        assert_eq!(
            source("https://x.org:8443:debian/12"),
            remote("https://x.org:8443", "debian/12")
        );
    }

    #[test]
    fn what_is_no_base_is_refused() {
        let error = |text: &str| text.parse::<Base>().unwrap_err();
        assert_eq!(error("ubunto:24.04"), BaseError::Remote("ubunto".into()));
        assert_eq!(error("http://x:a"), BaseError::Remote("http://x".into()));
        assert_eq!(error("https://u:p@x:a"), BaseError::Remote("https://u:p@x".into()));
        for text in ["", "ubuntu:", "https://x"] {
            assert_eq!(error(text), BaseError::Form(text.into()));
        }
    }
}
