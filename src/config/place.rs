//! Where values were written, and what is wrong there: for checks that need several values, which
//! may come from several files.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// A place in one of the files: which of them, and the byte in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    file: usize,
    offset: usize,
}

/// A value, and where it was written. Its file is known once it is merged.
#[derive(Debug, Clone, Default)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One thing that is wrong in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    sources: Vec<Source>,
    found: Vec<Fault>,
}

impl Source {
    /// The line that a byte is in, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.bytes.get(..offset).unwrap_or(&self.bytes);
        before.split(|byte| *byte == b'\n').count()
    }
}

impl Place {
    /// Whether both were written in one file.
    pub(super) fn shares_file_with(self, other: Self) -> bool {
        self.file == other.file
    }

    pub(super) fn in_file(self, file: usize) -> Self {
        Self { file, ..self }
    }

    /// What is wrong there, where there is this one file only.
    pub(super) fn fault(self, source: &Source, message: String) -> Fault {
        Fault { file: source.path.clone(), line: source.line(self.offset), message }
    }
}

impl<T> Placed<T> {
    /// The same, in the file of this number.
    pub(super) fn in_file(self, file: usize) -> Self {
        Self { place: self.place.in_file(file), ..self }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let place = Place { file: 0, offset: spanned.span().start };
        Ok(Self { value: spanned.into_inner(), place })
    }
}

impl Faults {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        Self { sources, found: Vec::new() }
    }

    /// Notes what is wrong at a place.
    pub(super) fn add(&mut self, place: Place, message: String) {
        if let Some(source) = self.sources.get(place.file) {
            let line = source.line(place.offset);
            self.found.push(Fault { file: source.path.clone(), line, message });
        }
    }

    /// All of it, in the order of files and lines.
    pub(super) fn into_sorted(mut self) -> Vec<Fault> {
        let order = |path: &PathBuf| self.sources.iter().position(|source| source.path == *path);
        self.found.sort_by_key(|fault| (order(&fault.file), fault.line));
        self.found
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}
