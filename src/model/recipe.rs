//! What a golden image is made from.

use serde::Serialize;

/// What is done to a base to make a golden image of it. Two builds with the same recipe differ by
/// their base, the runner application and the day's packages only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// What it begins with: a local image, or `REMOTE:ALIAS`.
    pub base: String,
    /// Packages of the distribution.
    pub packages: Vec<String>,
    /// The operator's script, run as root once the packages are there.
    pub script: Option<String>,
    /// What larm itself puts in and takes out.
    #[serde(flatten)]
    pub parts: RecipeParts,
}

/// The parts of a golden image that are larm's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RecipeParts {
    /// Whether Docker is put in, as the distribution has it.
    pub docker: bool,
    /// Whether the runner application is put in.
    pub application: bool,
    /// Whether cloud-init and timers are cut to what a runner needs.
    pub trim: bool,
}
