//! What the next boot sets: the files that sysctl.d(5) describes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the files are. One that has the name of another takes its place, the later directory wins.
const DIRECTORIES: [&str; 4] =
    ["usr/lib/sysctl.d", "usr/local/lib/sysctl.d", "run/sysctl.d", "etc/sysctl.d"];

/// Read after all others, by those programs that read it.
const OLD_FILE: &str = "etc/sysctl.conf";

/// A file with settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// All files that are there, in the order in which they are applied. `root` is `/`.
pub(super) fn files(root: &Path) -> Vec<File> {
    let mut by_name: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES {
        let entries = fs::read_dir(root.join(directory)).into_iter().flatten().flatten();
        by_name.extend(entries.map(|entry| (entry.file_name(), entry.path())));
    }
    let settings = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "conf");
    let paths = by_name.into_values().filter(settings).chain([root.join(OLD_FILE)]);
    let read = |path: PathBuf| fs::read_to_string(&path).ok().map(|text| File { path, text });
    paths.filter_map(read).collect()
}

/// What a setting comes to, and the file that decides it: the last one that names it.
pub(super) fn setting<'a>(files: &'a [File], name: &str) -> Option<(u64, &'a Path)> {
    let in_file = |file: &'a File| {
        let (_, value) =
            file.text.lines().rev().filter_map(assignment).find(|(is, _)| is == name)?;
        Some((value, file.path.as_path()))
    };
    files.iter().rev().find_map(in_file)
}

/// Reads `name = number`: the name may have slashes for dots, and a hyphen before it that lets
/// failures pass.
fn assignment(line: &str) -> Option<(String, u64)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_start_matches('-').replace('/', ".");
    Some((name, value.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn the_last_file_that_names_it_decides() {
        let files = [
            file("10", "# a = 9\na = 1\na = 2\nb.c=3\n"),
            file("20", "-b/c = 4\n; a = 7\nd = word\n"),
        ];
        assert_eq!(setting(&files, "a"), Some((2, Path::new("10"))));
        assert_eq!(setting(&files, "b.c"), Some((4, Path::new("20"))));
        assert_eq!(setting(&files, "d"), None);
    }

    #[test]
    fn files_come_by_name_and_one_in_etc_takes_the_place_of_another() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        write("etc/sysctl.conf");
        write("etc/sysctl.d/10-a.conf");
        write("etc/sysctl.d/README");
        write("run/sysctl.d/05-b.conf");
        write("usr/lib/sysctl.d/10-a.conf");
        write("usr/lib/sysctl.d/20-c.conf");
        let seen = files(root.path());
        let seen: Vec<&Path> =
            seen.iter().map(|file| file.path.strip_prefix(root.path()).unwrap()).collect();
        let wanted = [
            "run/sysctl.d/05-b.conf",
            "etc/sysctl.d/10-a.conf",
            "usr/lib/sysctl.d/20-c.conf",
            "etc/sysctl.conf",
        ];
        assert_eq!(seen, wanted.map(Path::new));
    }
}
