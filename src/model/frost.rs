//! Standbys that are frozen until they are needed: they keep their memory, and use no CPU.
//!
//! ```text
//! None -> Wanted -> Frozen -> Thawing -> None
//!            \--------------------^
//! ```
//!
//! Each arrow is recorded before LXD is asked, and LXD may be asked again at any time: that an
//! instance is frozen already, or runs already, is no failure.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Phase, Record};

/// The most that is taken off the lifetime of a guest that is frozen.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Whether a standby is frozen: by us, for as long as nobody needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frost {
    /// Its guest runs.
    #[default]
    None,
    /// It is to be frozen, and may be frozen already.
    Wanted,
    /// It is frozen.
    Frozen,
    /// It is to be thawed, and may run already.
    Thawing,
}

impl Frost {
    /// Whether its guest may be frozen: nobody asks it anything.
    pub fn is_cold(self) -> bool {
        match self {
            Self::None => false,
            Self::Wanted | Self::Frozen | Self::Thawing => true,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "no",
            Self::Wanted => "freezing",
            Self::Frozen => "frozen",
            Self::Thawing => "thawing",
        }
    }
}

impl Record {
    /// Until when it may stay frozen, where guests have a lifetime. The timer of a container goes
    /// on while it is frozen: one that was thawed later would end as soon as it got its credential.
    pub fn frozen_until(&self, lifetime: Option<SignedDuration>) -> Option<Timestamp> {
        let lifetime = lifetime.filter(|_| self.frost.is_cold())?;
        let began = self.marks.0.get(&Phase::Booting).copied()?;
        let margin = (lifetime / 10).min(MARGIN);
        Some(began.saturating_add(lifetime - margin).unwrap_or(Timestamp::MAX))
    }
}
