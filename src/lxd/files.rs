//! Files inside an instance (LXD documentation, "Access files in an instance").
//!
//! What is read was written by the guest: it is capped, and a symbolic link is shown and never
//! followed. In a container this works on a stopped instance too, in a virtual machine only while
//! its agent answers. Never call it while a start is under way: it would hold up the start for
//! half a minute.
//!
//! **Never read a path that a guest may have replaced.** A fifo there catches LXD's helper process
//! (seen with LXD 5.0.2): it takes a whole CPU, and neither stop nor delete of the instance ends
//! until somebody on the host writes into the fifo (`/proc/PID-OF-FORKFILE/root/PATH`). Our time
//! limit frees us, not LXD. What a guest that is not trusted has to say is read by an exec.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::client::{Client, NO_BODY};
use super::envelope;
use super::error::Error;
use super::import::{body, chunks, open};
use super::route::Route;
use super::transport::{Call, Reply, full};

/// For a push of some hundred megabytes into a guest on a slow disk.
const LONG_PUSH: Duration = Duration::from_mins(10);

/// A file as it is in the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// What it is.
    pub kind: FileKind,
    /// Its owner, as the guest numbers users.
    pub uid: u32,
    /// Its group, as the guest numbers groups.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// A file's content; a symbolic link's target; nothing for a directory.
    pub bytes: Vec<u8>,
    /// The names in a directory.
    pub entries: Vec<String>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileKind {
    /// A file, or something that LXD shows as one.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// Owner and permissions of a file that is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOptions {
    /// Its owner, as the guest numbers users.
    pub uid: u32,
    /// Its group, as the guest numbers groups.
    pub gid: u32,
    /// Its permission bits, like `0o600`.
    pub mode: u32,
}

impl FileOptions {
    /// Root's, and nobody else may read it.
    pub const PRIVATE: Self = Self { uid: 0, gid: 0, mode: 0o600 };
}

impl FileKind {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
        }
    }
}

impl Client {
    /// Reads a file, or lists a directory; `None` if it, a directory above it or the instance is
    /// not there.
    ///
    /// # Errors
    /// [`TooLarge`](super::ErrorKind::TooLarge) if it has more than `cap` bytes; no more than that is read.
    pub async fn read_file(
        &self,
        name: &str,
        path: &str,
        cap: usize,
    ) -> Result<Option<File>, Error> {
        let call =
            self.call(&format!("read {path} in instance {name}"), Method::GET, at(name, path));
        let subject = call.subject.clone();
        let reply = self.send(Call { cap, ..call }).await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => file(&subject, &reply).map(Some),
            _ => Err(envelope::refusal(&subject, &reply)),
        }
    }

    /// Writes a file, replacing what is there. Its owner and mode are those of `options` only if
    /// it is new: what replaces a secret should be removed first.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound) if the directory above it or the instance is not there.
    pub async fn push_file(
        &self,
        name: &str,
        path: &str,
        bytes: Vec<u8>,
        options: FileOptions,
    ) -> Result<(), Error> {
        self.push(name, path, FileKind::File, bytes, options).await
    }

    /// Writes a file with the content of `source`, a file of the host, which is streamed and never
    /// held in memory.
    ///
    /// # Errors
    /// As [`Client::push_file`], and [`Local`](super::ErrorKind::Local) if `source` cannot be read.
    pub async fn push_file_from(
        &self,
        name: &str,
        path: &str,
        source: &Path,
        options: FileOptions,
    ) -> Result<(), Error> {
        let what = format!("write {path} in instance {name}");
        let call = self.call(&what, Method::POST, at(name, path));
        let subject = call.subject.clone();
        let headers = headers(FileKind::File, options);
        let body = body(chunks(open(&subject, source).await?));
        let reply = self.send(Call { headers, body, limit: LONG_PUSH, ..call }).await?;
        envelope::sync::<serde_json::Value>(&subject, &reply).map(drop)
    }

    /// Makes a directory; one that is there already stays.
    pub async fn push_directory(
        &self,
        name: &str,
        path: &str,
        options: FileOptions,
    ) -> Result<(), Error> {
        self.push(name, path, FileKind::Directory, Vec::new(), options).await
    }

    /// Deletes a file or an empty directory.
    ///
    /// # Errors
    /// [`NotFound`](super::ErrorKind::NotFound) if it or the instance is not there.
    pub async fn delete_file(&self, name: &str, path: &str) -> Result<(), Error> {
        let what = format!("delete {path} in instance {name}");
        self.tell(&what, Method::DELETE, at(name, path), NO_BODY).await
    }

    async fn push(
        &self,
        name: &str,
        path: &str,
        kind: FileKind,
        bytes: Vec<u8>,
        options: FileOptions,
    ) -> Result<(), Error> {
        let call =
            self.call(&format!("write {path} in instance {name}"), Method::POST, at(name, path));
        let subject = call.subject.clone();
        let headers = headers(kind, options);
        let reply = self.send(Call { headers, body: full(bytes), ..call }).await?;
        envelope::sync::<serde_json::Value>(&subject, &reply).map(drop)
    }
}

fn at(name: &str, path: &str) -> Route {
    Route::new(&["instances", name, "files"]).query("path", path)
}

/// For LXD and for Incus: each ignores the other's.
fn headers(kind: FileKind, options: FileOptions) -> Vec<(&'static str, String)> {
    let (uid, gid) = (options.uid.to_string(), options.gid.to_string());
    let mode = format!("{:04o}", options.mode);
    vec![
        ("content-type", "application/octet-stream".to_owned()),
        ("x-lxd-type", kind.word().to_owned()),
        ("x-lxd-write", "overwrite".to_owned()),
        ("x-lxd-uid", uid.clone()),
        ("x-lxd-gid", gid.clone()),
        ("x-lxd-mode", mode.clone()),
        ("x-incus-type", kind.word().to_owned()),
        ("x-incus-write", "overwrite".to_owned()),
        ("x-incus-uid", uid),
        ("x-incus-gid", gid),
        ("x-incus-mode", mode),
    ]
}

fn file(subject: &str, reply: &Reply) -> Result<File, Error> {
    let kind = match header(&reply.headers, "type").as_deref() {
        Some("directory") => FileKind::Directory,
        Some("symlink") => FileKind::Symlink,
        Some(_) | None => FileKind::File,
    };
    let number = |name| header(&reply.headers, name).and_then(|text| text.parse().ok());
    let mode = header(&reply.headers, "mode").and_then(|text| u32::from_str_radix(&text, 8).ok());
    let (bytes, entries) = match kind {
        FileKind::Directory => (Vec::new(), entries(subject, reply)?),
        FileKind::File | FileKind::Symlink => (reply.body.to_vec(), Vec::new()),
    };
    Ok(File {
        kind,
        uid: number("uid").unwrap_or_default(),
        gid: number("gid").unwrap_or_default(),
        mode: mode.unwrap_or_default(),
        bytes,
        entries,
    })
}

#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Names(#[serde(deserialize_with = "envelope::nullable")] Vec<String>);

fn entries(subject: &str, reply: &Reply) -> Result<Vec<String>, Error> {
    envelope::sync::<Names>(subject, reply).map(|names| names.0)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let find = |server: &str| headers.get(format!("x-{server}-{name}"));
    find("lxd").or_else(|| find("incus")).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
