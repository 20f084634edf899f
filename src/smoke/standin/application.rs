//! The stand-in runner application as a tar archive.

use std::io;

use axum::body::Bytes;
use sha2::{Digest, Sha256};

/// Its files, with their places in the archive.
const FILES: [(&str, &str); 3] = [
    ("bin/Runner.Listener", include_str!("application/Runner.Listener")),
    ("bin/Runner.Worker", include_str!("application/Runner.Worker")),
    ("config.sh", include_str!("application/config.sh")),
];

/// The stand-in runner application as a tar archive.
#[derive(Debug, Clone)]
pub struct Application {
    archive: Bytes,
    sha256: String,
}

impl Application {
    /// Packs it; the same bytes each time.
    pub fn build() -> io::Result<Self> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in FILES {
            let mut header = tar::Header::new_gnu();
            header.set_size(u64::try_from(content.len()).map_err(io::Error::other)?);
            header.set_mode(0o755);
            builder.append_data(&mut header, path, content.as_bytes())?;
        }
        let archive = Bytes::from(builder.into_inner()?);
        let sha256 = format!("{:x}", Sha256::digest(&archive));
        Ok(Self { archive, sha256 })
    }

    /// The archive.
    pub fn archive(&self) -> Bytes {
        self.archive.clone()
    }

    /// Its SHA-256 in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its files: place below the application's directory, and content; all are executable.
    pub fn files() -> &'static [(&'static str, &'static str)] {
        &FILES
    }
}
