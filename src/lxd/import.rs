//! Making an image from files: the body is streamed, an image is never held in memory
//! (LXD documentation, "Images", `POST /1.0/images`).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::Method;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::client::Client;
use super::envelope;
use super::error::{Error, ErrorKind};
use super::images::ImageFiles;
use super::operations::Operation;
use super::route::Route;
use super::transport::{Body, Call};

/// For the upload: some gigabytes onto a slow disk.
const LIMIT: Duration = Duration::from_mins(30);
/// How much of a file is held at once.
const CHUNK: usize = 256 << 10;
/// Cannot occur in what it separates but by ill will: it is random, and the files are ours.
const BOUNDARY: &str = "larm-5a0f4c6b9be84d0fa1c3-boundary";

pub(super) type Chunks = stream::BoxStream<'static, io::Result<Bytes>>;

impl Client {
    /// Uploads the files of an image; the operation's `metadata` then has its `fingerprint`.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] if a file cannot be read.
    pub async fn import_image(&self, files: &ImageFiles) -> Result<Operation, Error> {
        let call = self.call("import an image", Method::POST, Route::new(&["images"]));
        let subject = call.subject.clone();
        let (header, chunks) = match files {
            ImageFiles::Unified { path } => {
                (("content-type", octets()), chunks(open(&subject, path).await?))
            }
            ImageFiles::Container { metadata, rootfs } => {
                (form_header(), form(&subject, metadata, ("rootfs", rootfs)).await?)
            }
            ImageFiles::VirtualMachine { metadata, disk } => {
                (form_header(), form(&subject, metadata, ("rootfs.img", disk)).await?)
            }
        };
        let call = Call { headers: vec![header], body: body(chunks), limit: LIMIT, ..call };
        envelope::operation(&subject, &self.send(call).await?)
    }
}

fn octets() -> String {
    "application/octet-stream".to_owned()
}

fn form_header() -> (&'static str, String) {
    ("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
}

/// The two parts in the order that LXD insists on.
async fn form(
    subject: &str,
    metadata: &Path,
    (name, rootfs): (&str, &PathBuf),
) -> Result<Chunks, Error> {
    let first = text(part("metadata")).chain(chunks(open(subject, metadata).await?));
    let second = text(part(name)).chain(chunks(open(subject, rootfs).await?));
    Ok(first.chain(second).chain(text(format!("\r\n--{BOUNDARY}--\r\n"))).boxed())
}

fn part(name: &str) -> String {
    format!(
        "\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; \
         filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
}

pub(super) async fn open(subject: &str, path: &Path) -> Result<File, Error> {
    File::open(path).await.map_err(|error| {
        let reason = format!("{}: {error}", path.display());
        Error::new(subject, ErrorKind::Local { reason }).with_source(error)
    })
}

fn text(text: String) -> Chunks {
    stream::once(std::future::ready(Ok(Bytes::from(text)))).boxed()
}

pub(super) fn chunks(file: File) -> Chunks {
    stream::try_unfold(file, |mut file| async move {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let count = file.read_buf(&mut buffer).await?;
        Ok((count > 0).then(|| (buffer.freeze(), file)))
    })
    .boxed()
}

pub(super) fn body(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    UnsyncBoxBody::new(StreamBody::new(chunks.map_ok(Frame::data)))
}
