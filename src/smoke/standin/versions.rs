//! The versions of the runner application, and until when GitHub serves each.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The version of the stand-in runner application where nothing else is said.
pub const DEFAULT_VERSION: &str = "2.999.0";

/// Which versions there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The one to download.
    pub newest: String,
    /// Every version that is known, and when it stops getting jobs, where that is decided.
    pub deprecations: BTreeMap<String, Option<Timestamp>>,
    /// How many bytes that do not compress are added to the archive.
    pub padding: usize,
}

impl Versions {
    /// Whether a runner of this version gets no jobs any more. A version that is unknown gets
    /// them: a runner says what it likes.
    pub(super) fn is_past(&self, version: &str, now: Timestamp) -> bool {
        self.deprecations.get(version).copied().flatten().is_some_and(|end| end <= now)
    }
}

impl Default for Versions {
    fn default() -> Self {
        let newest = DEFAULT_VERSION.to_owned();
        Self { deprecations: [(newest.clone(), None)].into(), newest, padding: 0 }
    }
}
