//! The stand-in runner application as a tar archive.

use std::io::{self, Write};

use axum::body::Bytes;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

/// Its files, with their places in the archive.
const FILES: [(&str, &str); 3] = [
    ("bin/Runner.Listener", include_str!("application/Runner.Listener")),
    ("bin/Runner.Worker", include_str!("application/Runner.Worker")),
    ("config.sh", include_str!("application/config.sh")),
];

/// The file that says the version, where it is not the default one.
const VERSION_FILE: &str = "bin/version";

/// The stand-in runner application as a tar archive.
#[derive(Debug, Clone)]
pub struct Application {
    archive: Bytes,
    sha256: String,
}

impl Application {
    /// Packs it; the same bytes each time.
    pub fn build() -> io::Result<Self> {
        Ok(Self::packed(archive(&[])?))
    }

    /// Packs one that says it has this version, with so many bytes that do not compress, as
    /// `tar.gz`; the same bytes each time.
    pub fn build_gzip(version: &str, padding: usize) -> io::Result<Self> {
        let version = format!("{version}\n");
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(padding).collect();
        let mut extra = vec![(VERSION_FILE, version.as_bytes())];
        if padding > 0 {
            extra.push(("bin/padding", &noise));
        }
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
        gzip.write_all(&archive(&extra)?)?;
        Ok(Self::packed(gzip.finish()?))
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

    fn packed(archive: Vec<u8>) -> Self {
        let sha256 = format!("{:x}", Sha256::digest(&archive));
        Self { archive: Bytes::from(archive), sha256 }
    }
}

fn archive(extra: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let files = FILES.iter().map(|(path, content)| (*path, content.as_bytes()));
    for (path, content) in files.chain(extra.iter().copied()) {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(content.len()).map_err(io::Error::other)?);
        header.set_mode(0o755);
        builder.append_data(&mut header, path, content)?;
    }
    builder.into_inner()
}
