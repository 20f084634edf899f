//! The map in `src/lib.rs`, checked: which room may use which, which crate is named where, and the
//! form of files.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic")]
#![expect(clippy::string_slice, reason = "slices at places where an ASCII word was found")]

use std::fs;
use std::path::{Path, PathBuf};

/// A room and the rooms it may use.
const ROOMS: [(&str, &[&str]); 19] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "smoke",
            "daemon",
            "http",
            "metrics",
            "farm",
            "manager",
            "images",
            "store",
            "lxd",
            "guest",
            "github",
            "application",
            "services",
            "config",
            "model",
            "clock",
        ],
    ),
    (
        "smoke",
        &[
            "daemon",
            "http",
            "metrics",
            "farm",
            "manager",
            "images",
            "store",
            "lxd",
            "guest",
            "github",
            "application",
            "services",
            "config",
            "model",
            "clock",
        ],
    ),
    (
        "daemon",
        &[
            "export",
            "http",
            "metrics",
            "farm",
            "manager",
            "images",
            "store",
            "lxd",
            "guest",
            "github",
            "application",
            "services",
            "config",
            "model",
            "clock",
        ],
    ),
    ("export", &["manager", "model"]),
    ("http", &["metrics", "farm", "manager", "store", "lxd", "guest", "github", "model", "clock"]),
    ("metrics", &["farm", "manager", "lxd", "github", "model", "clock"]),
    ("farm", &["manager", "lxd", "github", "model", "clock"]),
    ("manager", &["store", "lxd", "guest", "github", "application", "services", "model", "clock"]),
    ("images", &["lxd", "guest", "application", "model", "clock"]),
    ("config", &["model", "clock"]),
    ("application", &["model", "clock"]),
    ("services", &["model", "clock"]),
    ("store", &["model", "clock"]),
    ("guest", &["model", "clock"]),
    ("github", &["model", "clock"]),
    ("lxd", &["clock"]),
    ("model", &[]),
    ("clock", &[]),
];

/// A crate and the only places that may name it.
const CRATES: [(&str, &[&str]); 13] = [
    ("hyperlocal", &["src/lxd/pool.rs"]),
    ("tokio_tungstenite", &["src/lxd/"]),
    ("octocrab", &["src/github/"]),
    ("jsonwebtoken", &["src/github/"]),
    ("redb", &["src/store/"]),
    ("prometheus", &["src/metrics/"]),
    ("axum", &["src/http/", "src/smoke/standin/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("clap_mangen", &["src/cli/"]),
    ("serde_saphyr", &["src/guest/"]),
    ("regex", &["src/guest/"]),
    ("toml", &["src/config/", "src/cli/init/", "src/cli/setup/"]),
];

/// All that the model may use; its tests may use more.
const MODEL_CRATES: [&str; 9] =
    ["std", "core", "serde", "jiff", "thiserror", "secrecy", "crate", "self", "super"];

const LONGEST_FILE: usize = 500;

/// Everything wrong with one file, as `path:line: what`.
fn faults(path: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut faults = of_form(path, text);
    if path.starts_with("src/") && path != "src/lib.rs" {
        faults.extend(of_rooms(path, &code));
        faults.extend(of_crates(path, &code));
    }
    faults
}

fn of_form(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//! ") {
        faults.push(format!("{path}:1: the file does not open with what it is for (`//!`)"));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!("{path}:{lines}: the file has more than {LONGEST_FILE} lines"));
    }
    faults
}

fn of_rooms(path: &str, code: &str) -> Vec<String> {
    let room = room_of(path);
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{path}:1: the room `{room}` is not in the map")];
    };
    let used = used_rooms(path, code).into_iter();
    used.filter(|(_, used)| used != room && !allowed.contains(&used.as_str()))
        .filter(|(_, used)| ROOMS.iter().any(|(name, _)| name == used))
        .map(|(at, used)| format!("{path}:{}: `{room}` must not use `{used}`", line(code, at)))
        .collect()
}

fn of_crates(path: &str, code: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, places) in CRATES {
        if places.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for at in named(code, name) {
            let places = places.join(" and ");
            faults.push(format!("{path}:{}: only {places} may name `{name}`", line(code, at)));
        }
    }
    if room_of(path) == "model" && !path.contains("/tests") {
        faults.extend(strangers_in_model(path, code));
    }
    faults
}

fn strangers_in_model(path: &str, code: &str) -> Vec<String> {
    let tests_from = code.find("#[cfg(test)]\nmod ").unwrap_or(code.len());
    let mut faults = Vec::new();
    for (number, text) in (1..).zip(code[..tests_from].lines()) {
        let Some(path_used) = text.trim_start().strip_prefix("use ") else { continue };
        let first = word(path_used);
        let of_this_file = code.contains(&format!("mod {first};"));
        if !of_this_file && !MODEL_CRATES.contains(&first) {
            faults.push(format!("{path}:{number}: `model` must not use the crate `{first}`"));
        }
    }
    faults
}

/// Where the code names a room by a path from the crate's root, and which.
fn used_rooms(path: &str, code: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for root in roots(path) {
        for (at, _) in code.match_indices(&root) {
            // `super::super::` holds `super::` twice, and `sub_crate::` is another word.
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c == '_' || c == ':' || c.is_alphanumeric()) {
                continue;
            }
            let start = at + root.len();
            used.extend(heads(&code[start..]).into_iter().map(|(n, head)| (start + n, head)));
        }
    }
    used
}

/// What paths from the crate's root begin with in this file.
fn roots(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let depth = inside.split('/').filter(|part| *part != "mod").count();
    vec!["crate::".to_owned(), "larm::".to_owned(), "super::".repeat(depth)]
}

/// The first words of a path or of each path in a group, with their places.
fn heads(text: &str) -> Vec<(usize, String)> {
    let Some(group) = text.strip_prefix('{') else { return vec![(0, word(text).to_owned())] };
    let (mut heads, mut depth, mut expect) = (Vec::new(), 1, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => expect = true,
            c if expect && depth == 1 && (c.is_alphabetic() || c == '_') => {
                heads.push((at + 1, word(&group[at..]).to_owned()));
                expect = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// Where the code names a crate: in `use NAME` or at the head of a path.
fn named(code: &str, name: &str) -> Vec<usize> {
    let is_part = |c: char| c == '_' || c == ':' || c == '.' || c.is_alphanumeric();
    let is_named = |at: &usize| {
        let (before, after) = (&code[..*at], &code[at + name.len()..]);
        let head = !before.chars().next_back().is_some_and(is_part);
        let used = before.ends_with("use ") && word(after).is_empty();
        head && (after.starts_with("::") || used)
    };
    code.match_indices(name).map(|(at, _)| at).filter(is_named).collect()
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

fn room_of(path: &str) -> &str {
    let inside = path.trim_start_matches("src/");
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The text with comments cut off, each line still in its place.
fn without_comments(text: &str) -> String {
    let bare = |line: &str| {
        // A URL in a string has its slashes after a colon.
        let cut = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        cut.map_or_else(|| line.to_owned(), |(at, _)| line[..at].to_owned())
    };
    text.lines().map(|line| bare(line) + "\n").collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn every_file_keeps_to_the_map() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [rust_files(&home.join("src")), rust_files(&home.join("tests"))].concat();
    assert!(files.len() > 20, "only {} files were found", files.len());
    let mut all = Vec::new();
    for file in files {
        let path = file.strip_prefix(home).unwrap().to_str().unwrap();
        all.extend(faults(path, &fs::read_to_string(&file).unwrap()));
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn every_room_is_in_the_map_and_in_the_library() {
    let text = include_str!("../src/lib.rs");
    let rooms: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    for room in &rooms {
        let name = room.trim_end_matches(';');
        assert!(ROOMS.iter().any(|(known, _)| *known == name), "`{name}` is not in the map");
    }
    assert_eq!(rooms.len() + 1, ROOMS.len(), "the map has a room that the library has not");
}

#[test]
fn planted_faults_are_found_with_their_line() {
    for (path, code, fault) in [
        ("src/model/step.rs", "use crate::lxd::Client;", "2: `model` must not use `lxd`"),
        ("src/model/step.rs", "fn f() { crate::clock::now(); }", "2: `model` must not use `clock`"),
        ("src/model/step.rs", "use tokio::sync;", "2: `model` must not use the crate `tokio`"),
        ("src/lxd/exec.rs", "use crate::model::Phase;", "2: `lxd` must not use `model`"),
        ("src/lxd/mod.rs", "use super::store::Store;", "2: `lxd` must not use `store`"),
        ("src/lxd/exec.rs", "use super::super::store;", "2: `lxd` must not use `store`"),
        (
            "src/store/mod.rs",
            "use crate::{\n    model::{Record, Spec},\n    manager::View,\n};",
            "4: `store` must not use `manager`",
        ),
        ("src/daemon.rs", "use crate::cli::print;", "2: `daemon` must not use `cli`"),
        ("src/main.rs", "fn main() { larm::daemon::run() }", "2: `main` must not use `daemon`"),
        ("src/attic.rs", "", "1: the room `attic` is not in the map"),
        ("src/http/mod.rs", "use redb::Database;", "2: only src/store/ may name `redb`"),
        ("src/http/mod.rs", "fn f(d: redb::Database) {}", "2: only src/store/ may name `redb`"),
        ("src/lxd/mod.rs", "use hyperlocal;", "2: only src/lxd/pool.rs may name `hyperlocal`"),
        (
            "src/cli/list.rs",
            "use toml::Value;",
            "2: only src/config/ and src/cli/init/ and src/cli/setup/ may name `toml`",
        ),
    ] {
        let found = faults(path, &format!("//! A file.\n{code}\n"));
        assert_eq!(found, [format!("{path}:{fault}")], "{code}");
    }
    assert_eq!(faults("tests/x.rs", "use std;\n").len(), 1);
    assert_eq!(faults("tests/x.rs", &format!("//! A file.\n{}", "\n".repeat(500))).len(), 1);
}

#[test]
fn what_is_allowed_is_not_found() {
    for (path, code) in [
        ("src/model/step.rs", "use std::fmt;\nuse super::Phase;\nuse crate::model::Record;"),
        ("src/model/a.rs", "use jiff::Span;\n#[cfg(test)]\nmod tests {\n    use proptest::x;\n}"),
        ("src/manager/mod.rs", "use crate::store::Store; // not crate::cli"),
        ("src/store/mod.rs", "use redb::Database;\n/// See crate::manager\nuse super::model;"),
        ("src/http/mod.rs", "let tomlish = my_redb::x();\nlet url = \"http://crate\";"),
        ("src/lxd/exec.rs", "use super::transport::Transport;"),
    ] {
        let found = faults(path, &format!("//! A file.\n{code}\n"));
        assert!(found.is_empty(), "{found:?}");
    }
}
