//! Writes the configuration and the token's file: whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::cli::report::CliError;

/// Whoever may ask the daemon reads it to find the daemon; it holds no secret.
const CONFIG_MODE: u32 = 0o644;
const SECRET_MODE: u32 = 0o600;

/// A configuration that is not in its place yet; removed when dropped.
#[derive(Debug)]
pub(super) struct Draft {
    place: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Writes a draft beside the place it is for.
    pub(super) fn new(place: &Path, text: &str) -> Result<Self, CliError> {
        let path = beside(place);
        make_directory(place)?;
        write(&path, text.as_bytes(), CONFIG_MODE)?;
        Ok(Self { place: place.to_owned(), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place; what is there is kept, and the name of that is returned.
    pub(super) fn publish(self) -> Result<Option<PathBuf>, CliError> {
        let mut name = self.place.clone().into_os_string();
        name.push(".bak");
        let backup = PathBuf::from(name);
        let kept = match fs::copy(&self.place, &backup) {
            Ok(_) => Some(backup),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("keep the old configuration as", &backup)(error)),
        };
        fs::rename(&self.path, &self.place).map_err(failed("write", &self.place))?;
        Ok(kept)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Published, it is not there any more; and what cannot be removed does no harm.
        drop(fs::remove_file(&self.path));
    }
}

/// A path that still holds when another process starts elsewhere.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(failed("find", path))
}

/// Refuses to replace a file, unless that is wanted.
pub(super) fn refuse_existing(path: &Path, force: bool) -> Result<(), CliError> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(CliError::Exists { path: path.to_owned() });
    }
    Ok(())
}

/// Writes a secret that only its owner may read.
pub(super) fn write_secret(path: &Path, secret: &SecretString) -> Result<(), CliError> {
    let draft = beside(path);
    let written = write(&draft, secret.expose_secret().as_bytes(), SECRET_MODE)
        .and_then(|()| fs::rename(&draft, path).map_err(failed("write", path)));
    if written.is_err() {
        drop(fs::remove_file(&draft));
    }
    written
}

/// `.NAME.new` beside a file.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

fn make_directory(file: &Path) -> Result<(), CliError> {
    match file.parent() {
        Some(directory) => fs::create_dir_all(directory).map_err(failed("make", directory)),
        None => Ok(()),
    }
}

/// A file that was not there before: nobody has it open, and no link leads elsewhere.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CliError> {
    drop(fs::remove_file(path));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed("write", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> CliError {
    let what = format!("{what} {}", path.display());
    move |source| CliError::Io { what, source }
}
