//! Why the configuration could not be used: always with the file, and the line where one is to
//! blame.

use std::io;
use std::path::PathBuf;

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
#[error("{0}")]
pub struct Described(String);

impl Described {
    pub(super) fn new(error: &toml::de::Error) -> Self {
        Self(error.to_string().trim_end().to_owned())
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

impl ConfigError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("make {}, or leave out --config: larm has defaults", path.display()))
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
