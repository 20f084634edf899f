//! What a build tells while it goes on.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A step of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The base and the alias are looked at.
    Base,
    /// The throw-away instance is made.
    Create,
    /// It boots.
    Boot,
    /// The packages are installed.
    Packages,
    /// Docker is installed.
    Docker,
    /// The runner application is put in.
    Application,
    /// The operator's script runs.
    Script,
    /// cloud-init and timers are cut.
    Trim,
    /// What no two instances may share is removed.
    Clean,
    /// The image is made.
    Publish,
    /// An instance of it is tried.
    Canary,
    /// The alias moves.
    Switch,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Progress {
    /// A step has begun.
    Began {
        /// Which.
        step: Step,
    },
    /// A step says something, in the guest's words: one line without control characters.
    Line {
        /// Which.
        step: Step,
        /// What.
        text: String,
    },
    /// A step has ended well.
    Ended {
        /// Which.
        step: Step,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// Something that is worth knowing and stops nothing.
    Note {
        /// What.
        text: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "look at the base",
            Self::Create => "make an instance of it",
            Self::Boot => "boot",
            Self::Packages => "install packages",
            Self::Docker => "install Docker",
            Self::Application => "put the runner application in",
            Self::Script => "run your script",
            Self::Trim => "trim",
            Self::Clean => "clean",
            Self::Publish => "make the image",
            Self::Canary => "try the image",
            Self::Switch => "move the alias",
        })
    }
}

fn seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(took.as_secs_f64())
}
