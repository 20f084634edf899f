//! One larm per state directory: a locked file that names the process that has it.
//!
//! The lock is the truth; the file's content only says who. The content is a pid and the time at
//! which that process started, so that what a process left behind that has died is not taken for
//! the process that has its pid today. The file is never removed: two processes could then
//! hold locks on two files of the same name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;

/// Holds the state directory until dropped.
#[derive(Debug)]
pub(super) struct PidLock(File);

impl PidLock {
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("larm.pid");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let mut file =
            options.open(&path).map_err(|source| StoreError::io("open", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::AlreadyRunning {
                    dir: dir.to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", &path, source)),
        }
        name_holder(&mut file).map_err(|source| StoreError::io("write", &path, source))?;
        Ok(Self(file))
    }
}

impl Drop for PidLock {
    fn drop(&mut self) {
        // An empty file names nobody. A failure is harmless: whoever reads it checks what it says.
        drop(self.0.set_len(0));
        // Closing alone would leave the lock to a child that was forked and has not yet run its
        // program: it has a copy of the file.
        drop(self.0.unlock());
    }
}

fn name_holder(file: &mut File) -> std::io::Result<()> {
    let pid = std::process::id();
    let started = started_at(pid).unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{pid} {started}\n").as_bytes())
}

/// The process that the file names, if it is the one that wrote it.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(64).read_to_string(&mut text).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (started_at(pid)? == started.parse::<u64>().ok()?).then_some(pid)
}

/// When a process started, in clock ticks after boot (proc(5), `/proc/pid/stat`, field 22).
fn started_at(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name in parentheses may hold anything, parentheses too.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::PidLock;

    /// A process that is being forked has a copy of every file until it runs its program. The lock
    /// belongs to all copies: given up by closing alone, it outlived the store for that moment, and
    /// whoever opened the store again was told that it is in use.
    #[test]
    fn a_copy_of_the_file_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let lock = PidLock::take(dir.path()).unwrap();
        let _copy = lock.0.try_clone().unwrap();
        drop(lock);
        PidLock::take(dir.path()).unwrap();
    }
}
