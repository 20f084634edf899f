//! Why something about images did not work.

use std::time::Duration;

use super::progress::Step;
use crate::guest::UserDataError;
use crate::lxd;

/// Why something about images did not work.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// LXD refused or did not answer.
    #[error(transparent)]
    Lxd(#[from] lxd::Error),
    /// There is no image to begin with.
    #[error("there is no image {0} to begin with")]
    NoBase(String),
    /// The base is for the other kind of instance.
    #[error("{base} is for a {is}, not a {wanted}")]
    BaseOfOtherType {
        /// The base as written.
        base: String,
        /// Its type.
        is: String,
        /// The type that was asked for.
        wanted: &'static str,
    },
    /// The alias is somebody else's.
    #[error("the alias {alias} names an image that `larm image build` has not made")]
    Foreign {
        /// The alias.
        alias: String,
    },
    /// No image was built under that alias.
    #[error("there is no image {0} that `larm image build` has made")]
    UnknownAlias(String),
    /// There is no such generation.
    #[error("{alias} has no generation {number} that proved good")]
    UnknownGeneration {
        /// The alias.
        alias: String,
        /// The generation.
        number: u64,
    },
    /// Nothing good is there to go back to.
    #[error("{0} has no older generation to go back to")]
    NothingBefore(String),
    /// cloud-init in the base does not do its work.
    #[error("cloud-init does not work in the base: {0}")]
    CloudInit(String),
    /// The guest cannot install packages.
    #[error("there is no apt-get in the base: larm bakes images of Debian and its relatives")]
    NoApt,
    /// A command in the guest failed.
    #[error("the guest returned {code}{}", shown(lines))]
    Command {
        /// Its exit code.
        code: i32,
        /// The end of what it said.
        lines: Vec<String>,
    },
    /// The recipe has the runner application, and there is none.
    #[error("the recipe has the runner application, and none was given")]
    NoApplication,
    /// An instance of the new image did not become ready.
    #[error("an instance of the image did not become ready: {why}{}", shown(lines))]
    Canary {
        /// Why, in the guest's words.
        why: String,
        /// The end of cloud-init's output.
        lines: Vec<String>,
    },
    /// The user-data could not be made.
    #[error(transparent)]
    UserData(#[from] UserDataError),
    /// LXD's answer lacks something.
    #[error("LXD did not tell the fingerprint of the image")]
    NoFingerprint,
    /// Somebody wanted an end.
    #[error("it was broken off")]
    Stopped,
    /// Somebody did not wait for that end.
    #[error("it was broken off, and what it had made is left")]
    LeftAsItIs,
    /// It took too long.
    #[error("it was not done within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Why a build failed, at which step, and what it left.
#[derive(Debug, thiserror::Error)]
#[error("failed to {step}: {error}")]
pub struct BuildError {
    /// The step.
    pub step: Step,
    /// Why.
    #[source]
    pub error: ImageError,
    /// Instances and images that could not be removed, as commands that remove them.
    pub left: Vec<String>,
    /// The fingerprint of the image that was kept to be looked at.
    pub kept: Option<String>,
}

impl ImageError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lxd(error) => error.hint().map(str::to_owned),
            Self::NoBase(_) => Some(
                "`lxc image list` shows those that are there; `ubuntu:24.04` and the like are fetched"
                    .to_owned(),
            ),
            Self::BaseOfOtherType { is, .. } => {
                Some(format!("give another --base, or `--type {is}`"))
            }
            Self::Foreign { .. } => Some("build under another alias: --alias NAME".to_owned()),
            Self::UnknownAlias(_) => Some("`larm image list` shows those that are there".to_owned()),
            Self::UnknownGeneration { alias, .. } => {
                Some(format!("`larm image list {alias}` shows those that are there"))
            }
            Self::NothingBefore(_) => Some("`larm image build` makes a new one".to_owned()),
            Self::CloudInit(_) | Self::NoApt => {
                Some("take another base, like ubuntu:24.04, or one of `scripts/image`".to_owned())
            }
            Self::NoApplication => {
                Some("give --application FILE, or `application = false` in the recipe".to_owned())
            }
            Self::LeftAsItIs => Some(
                "`larm image prune` removes it once the time limit of that build (--limit) is over"
                    .to_owned(),
            ),
            Self::TimedOut(_) => Some("give it more time with --limit".to_owned()),
            Self::Command { .. }
            | Self::Canary { .. }
            | Self::UserData(_)
            | Self::NoFingerprint
            | Self::Stopped => None,
        }
    }
}

fn shown(lines: &[String]) -> String {
    lines.iter().flat_map(|line| ["\n  ", line.as_str()]).collect()
}
