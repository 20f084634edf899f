//! Whether the running kernel can mount btrfs. LXD lists the driver as soon as its tools are there,
//! and then fails to make a pool on a kernel without it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

const NAME: &str = "btrfs";
/// How long loading a module may take.
const LOAD_LIMIT: Duration = Duration::from_secs(20);

/// Whether the kernel has btrfs, or can load it: as root that is tried, else a module that is there
/// counts, as mounting loads it.
pub(super) async fn has_btrfs() -> bool {
    if mounts() {
        return true;
    }
    if rustix::process::geteuid().is_root() {
        load().await;
        return mounts();
    }
    let release = read("/proc/sys/kernel/osrelease");
    let list = Path::new("/lib/modules").join(release.trim()).join("modules.dep");
    has_module(&read(list), NAME)
}

fn mounts() -> bool {
    has_file_system(&read("/proc/filesystems"), NAME)
}

/// Loads the module by the program that the kernel itself would use. That it does not work shows
/// in what the kernel has afterwards.
async fn load() {
    let program = read("/proc/sys/kernel/modprobe");
    let loading = Command::new(program.trim())
        .args(["--quiet", NAME])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let loaded = timeout(LOAD_LIMIT, loading).await;
    tracing::debug!(?loaded, "tried to load {NAME}");
}

/// The file's text; nothing where there is none, as in a kernel without modules.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Reads `/proc/filesystems`: the name is the last word of its line.
fn has_file_system(text: &str, name: &str) -> bool {
    text.lines().any(|line| line.split_ascii_whitespace().next_back() == Some(name))
}

/// Reads `modules.dep` (depmod(8)): each line begins with the path of a module.
fn has_module(text: &str, name: &str) -> bool {
    text.lines().filter_map(|line| line.split(':').next()?.rsplit('/').next()).any(|file| {
        // The file may be compressed: `btrfs.ko.xz`.
        file.split_once(".ko").is_some_and(|(module, _)| module == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_mounts() {
        let text = "nodev\tsysfs\n\text4\n\tbtrfs\nnodev\tnot-btrfs\n";
        assert!(has_file_system(text, "btrfs"));
        assert!(!has_file_system("nodev\tsysfs\nnodev\tnot-btrfs\n", "btrfs"));
    }

    #[test]
    fn what_the_kernel_may_load() {
        let dep = |file: &str| format!("kernel/lib/raid6.ko:\nkernel/fs/{file}: kernel/x/xor.ko\n");
        assert!(has_module(&dep("btrfs/btrfs.ko"), "btrfs"));
        assert!(has_module(&dep("btrfs/btrfs.ko.zst"), "btrfs"));
        assert!(!has_module(&dep("xfs/xfs.ko"), "btrfs"));
        assert!(!has_module("kernel/fs/xfs/xfs.ko: kernel/fs/btrfs/btrfs.ko\n", "btrfs"));
    }
}
