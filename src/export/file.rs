//! The events file: appended to, cut back after a crash, rotated.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::ExportOptions;
use super::position::Position;

/// Everybody on the host may know who ran what: the group decides.
const MODE: u32 = 0o640;

/// The events file and how far it is.
#[derive(Debug)]
pub(super) struct EventsFile {
    options: ExportOptions,
    position: Position,
    file: Option<File>,
    /// What lies beyond this length is of a write that failed.
    cut_to: Option<u64>,
}

impl EventsFile {
    pub(super) fn new(options: ExportOptions) -> Self {
        Self { options, position: Position::default(), file: None, cut_to: None }
    }

    /// Does work that waits for the disk, on a thread that may.
    pub(super) async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let file = self.file.take();
        let Self { position, cut_to, .. } = *self;
        let mut moved = Self { options: self.options.clone(), position, file, cut_to };
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&mut moved);
            (moved, result)
        });
        let (moved, result) = task.await.map_err(|error| error.to_string())?;
        *self = moved;
        result.map_err(|error| format!("{}: {error}", self.options.file.display()))
    }

    /// Opens the file, cuts off what a crash has left beyond the position, and tells how far it is.
    /// A journal whose `head` is before that is another one: all of it is new.
    pub(super) fn begin(&mut self, head: u64) -> io::Result<u64> {
        self.position = Position::load(&self.position_path())?;
        if self.position.seq > head {
            self.position.seq = 0;
        }
        let kept = self.position;
        let file = self.open()?;
        let found = file.metadata()?;
        if kept.is_of(&found) && found.len() > kept.length {
            file.set_len(kept.length)?;
        }
        Ok(kept.seq)
    }

    /// Adds lines; from then on the file is up to `seq`.
    pub(super) fn append(&mut self, lines: &[u8], seq: u64) -> io::Result<()> {
        self.cut()?;
        self.rotate_before(lines)?;
        let found = self.open()?.metadata()?;
        // A file that the position does not know as it is could not be cut back rightly.
        let now = Position::new(self.position.seq, &found);
        if self.position != now {
            self.reach(now)?;
        }
        let written = self.write(lines, seq);
        if written.is_err() {
            // Half a line would be no JSON, and what no position tells of would be written twice.
            self.cut_to = Some(found.len());
            self.cut()?;
        }
        written
    }

    fn write(&mut self, lines: &[u8], seq: u64) -> io::Result<()> {
        let file = self.open()?;
        file.write_all(lines)?;
        file.sync_data()?;
        let position = Position::new(seq, &file.metadata()?);
        self.reach(position)
    }

    /// Takes back what could not be written well.
    fn cut(&mut self) -> io::Result<()> {
        if let Some(length) = self.cut_to {
            self.open()?.set_len(length)?;
            self.cut_to = None;
        }
        Ok(())
    }

    fn reach(&mut self, position: Position) -> io::Result<()> {
        position.save(&self.position_path())?;
        self.position = position;
        Ok(())
    }

    /// The file that has its name: somebody else may have rotated it.
    fn open(&mut self) -> io::Result<&mut File> {
        let path = &self.options.file;
        let same = self.file.as_ref().is_some_and(|file| has_name(file, path));
        let file = match self.file.take().filter(|_| same) {
            Some(file) => file,
            None => open(path)?,
        };
        Ok(self.file.insert(file))
    }

    fn rotate_before(&mut self, lines: &[u8]) -> io::Result<()> {
        let max = self.options.max_size;
        let more = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let length = self.open()?.metadata()?.len();
        if length == 0 || length.saturating_add(more) <= max {
            return Ok(());
        }
        let path = self.options.file.clone();
        for old in (1..self.options.keep).rev() {
            rename(&numbered(&path, old), &numbered(&path, old + 1))?;
        }
        if self.options.keep > 0 {
            rename(&path, &numbered(&path, 1))?;
        } else {
            fs::remove_file(&path)?;
        }
        self.file = None;
        Ok(())
    }

    fn position_path(&self) -> PathBuf {
        self.options.state_dir.join("events.position")
    }
}

/// Another program's link is not followed.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let file =
        OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(flags).open(path)?;
    // The umask may have taken the group's right away.
    file.set_permissions(fs::Permissions::from_mode(MODE))?;
    Ok(file)
}

fn has_name(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
