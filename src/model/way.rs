//! How an instance comes to its root disk.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Of so many hundredths of the image's time another way must make do, to be worth its upkeep.
const WORTH: u64 = 90;

/// How an instance comes to its root disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// From its image, which the storage driver clones, or unpacks each time.
    Image,
    /// As a copy of a stopped instance.
    Copy,
    /// As a copy of a stopped instance's snapshot.
    Snapshot,
}

/// A word that names no way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no way to make an instance: write image, copy or snapshot")]
pub struct WayError(String);

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Image, Self::Copy, Self::Snapshot];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Copy => "copy",
            Self::Snapshot => "snapshot",
        }
    }

    /// The best one by what each was measured to take, in milliseconds. That of the image unless
    /// another one is clearly better: it needs nothing beside the image.
    pub fn fastest(measured: &BTreeMap<Self, u64>) -> Self {
        let Some(image) = measured.get(&Self::Image) else { return Self::Image };
        let best = measured.iter().min_by_key(|(way, took)| (**took, **way));
        let worth = image.saturating_mul(WORTH) / 100;
        best.filter(|(_, took)| **took < worth).map_or(Self::Image, |(way, _)| *way)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Way {
    type Err = WayError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|way| way.as_str() == word).ok_or(WayError(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_way_than_the_image_must_be_clearly_better() {
        let fastest = |image, copy, snapshot| {
            let took = [(Way::Image, image), (Way::Copy, copy), (Way::Snapshot, snapshot)];
            Way::fastest(&took.into())
        };
        assert_eq!(fastest(1050, 450, 370), Way::Snapshot);
        assert_eq!(fastest(1050, 370, 370), Way::Copy);
        assert_eq!(fastest(1000, 950, 901), Way::Image);
        assert_eq!(fastest(800, 20_000, 10_000), Way::Image);
        assert_eq!(Way::fastest(&BTreeMap::new()), Way::Image);
        assert_eq!(Way::fastest(&[(Way::Copy, 1)].into()), Way::Image, "compared with nothing");
    }
}
