//! `[image]`: the golden image that the daemon keeps fresh.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::value::{AbsolutePath, ImageAlias, Length};

const REBUILD: SignedDuration = SignedDuration::from_hours(7 * 24);
const REBUILD_BEFORE: SignedDuration = SignedDuration::from_hours(7 * 24);
const KEEP: u8 = 1;

/// The golden image that the daemon keeps fresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageSettings {
    /// Its alias; the daemon builds none without it.
    pub alias: Option<String>,
    /// The recipe's file; larm's own without it.
    pub recipe: Option<PathBuf>,
    /// What it is made from; the recipe's base without it.
    pub base: Option<String>,
    /// The LXD profiles that it is baked with; those of runners without it.
    pub profiles: Option<Vec<String>>,
    /// How old it becomes before it is built anew.
    pub rebuild: SignedDuration,
    /// How long before GitHub gives its runner application no more jobs it is built anew.
    pub rebuild_before: SignedDuration,
    /// How many older good generations are kept.
    pub keep: u8,
}

/// `[image]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a table, [image]: the image of runners is `image` in [runner]"
)]
pub(super) struct ImageFragment {
    alias: Option<ImageAlias>,
    recipe: Option<AbsolutePath>,
    base: Option<String>,
    profiles: Option<Vec<String>>,
    rebuild: Option<Length>,
    rebuild_before: Option<Length>,
    keep: Option<u8>,
}

impl ImageFragment {
    pub(super) fn merge(&mut self, later: Self) {
        merge!(self, later: alias, recipe, base, profiles, rebuild, rebuild_before, keep);
    }

    pub(super) fn into_settings(self) -> ImageSettings {
        ImageSettings {
            alias: self.alias.map(|alias| alias.0),
            recipe: self.recipe.map(|file| file.0),
            base: self.base,
            profiles: self.profiles,
            rebuild: self.rebuild.map_or(REBUILD, |length| length.0),
            rebuild_before: self.rebuild_before.map_or(REBUILD_BEFORE, |length| length.0),
            keep: self.keep.unwrap_or(KEEP),
        }
    }
}
