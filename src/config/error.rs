//! Why the configuration could not be used: always with the file, and the line where one is to
//! blame.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

use super::mask;
use super::place::Fault;

/// Why the configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or directory could not be read.
    #[error("could not read the configuration {}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file is larger than any configuration.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A file is not UTF-8.
    #[error("{}:{line}: this line is not UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The first line that is not.
        line: usize,
    },
    /// A file is no TOML, has a key that larm does not know, or a value that it cannot use.
    #[error("{}:{line}: {source}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong, with the line itself and a mark below it.
        #[source]
        source: Described,
    },
    /// Values do not fit together.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
}

/// The TOML reader's description: several lines, with a mark below the place.
#[derive(Debug, thiserror::Error)]
#[error("{shown}")]
pub struct Described {
    shown: String,
    message: String,
}

impl Described {
    pub(super) fn new(error: &toml::de::Error) -> Self {
        let message = mask::tokens(error.message());
        let shown = mask::tokens(error.to_string().trim_end());
        let unknown = message.starts_with("unknown field");
        Self { shown: if unknown { mask::value(&shown) } else { shown }, message }
    }

    /// What is wrong, without the line itself.
    fn message(&self) -> &str {
        &self.message
    }
}

/// What is wrong, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, if one is to blame.
    pub file: Option<PathBuf>,
    /// The line, from 1, if one is to blame.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

impl ConfigError {
    /// Each thing that is wrong.
    pub fn problems(&self) -> Vec<Problem> {
        let one = |path: &PathBuf, line, message: String| {
            vec![Problem { file: Some(path.clone()), line, message }]
        };
        match self {
            Self::Read { path, source } => one(path, None, format!("could not be read: {source}")),
            Self::TooLarge { path, limit } => {
                one(path, None, format!("is larger than {limit} bytes"))
            }
            Self::Encoding { path, line } => {
                one(path, Some(*line), "this line is not UTF-8".to_owned())
            }
            Self::Value { path, line, source } => {
                one(path, Some(*line), source.message().to_owned())
            }
            Self::Faults(faults) => faults.iter().map(Problem::from).collect(),
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("make {}, or leave it out: larm has defaults", path.display()))
            }
            Self::Read { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("run it as root, or `chmod a+r {}`", path.display()))
            }
            Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Encoding { .. }
            | Self::Value { .. }
            | Self::Faults(_) => None,
        }
    }
}

impl From<&Fault> for Problem {
    fn from(fault: &Fault) -> Self {
        let Fault { file, line, message } = fault.clone();
        Self { file: Some(file), line: Some(line), message }
    }
}
