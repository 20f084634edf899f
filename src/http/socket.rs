//! The control socket's file: made with its mode and group, a stale one replaced, removed at the end.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Owner and group may connect, others may not.
const MODE: u32 = 0o660;

/// A listening control socket; its file is removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// Removes the socket's file, unless another process has put its own there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Why the control socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process serves there.
    #[error("another process listens on {} already", .0.display())]
    InUse(PathBuf),
    /// Something else has that name.
    #[error("{} is there and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl BindError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InUse(_) => Some(
                "`larm serve` runs already: `systemctl status larm`; or give another `control_socket`"
                    .to_owned(),
            ),
            Self::NotASocket(path) => {
                Some(format!("move {} away, or give another `control_socket`", path.display()))
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run as root, or give a `control_socket` in a directory of yours".to_owned())
            }
            Self::Io { .. } => None,
        }
    }
}

/// Listens on `path`: mode 0660, and `group` if given. A file that nobody listens on is replaced.
pub fn bind(path: &Path, group: Option<u32>) -> Result<Socket, BindError> {
    let failed = |what| move |source| BindError::Io { what, path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        let mut directory = fs::DirBuilder::new();
        directory.recursive(true).mode(0o755);
        directory.create(parent).map_err(failed("make the directory of"))?;
    }
    clear(path)?;
    let listener = UnixListener::bind(path).map_err(failed("listen on"))?;
    let inode = inode(path).map_err(failed("look at"))?;
    let file = SocketFile { path: path.to_owned(), inode };
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
        .map_err(failed("set the mode of"))?;
    if group.is_some() {
        chown(path, None, group).map_err(failed("set the group of"))?;
    }
    Ok(Socket { listener, file })
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> Result<(), BindError> {
    let failed = |what, source| BindError::Io { what, path: path.to_owned(), source };
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", error)),
        Ok(metadata) => metadata.file_type(),
    };
    if !kind.is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| failed("remove the stale", error))
        }
        Err(error) => Err(failed("try", error)),
    }
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.ino())
}

impl Socket {
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|now| now == self.inode)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "the control socket stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/control.sock");
        let first = bind(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(bind(&path, None), Err(BindError::InUse(_))));
        // A process that was killed leaves its file behind.
        let (listener, file) = first.into_parts();
        std::mem::forget(file);
        drop(listener);
        let second = bind(&path, None).unwrap();
        drop(second);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path, None), Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
