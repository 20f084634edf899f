//! Generations: what an image says of itself in its properties, and how it stands to its alias.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::error::ImageError;
use crate::lxd::{self, Client, Image};

/// The alias that an image was built under; it makes the image ours.
pub(super) const IMAGE: &str = "user.larm.image";
pub(super) const GENERATION: &str = "user.larm.generation";
pub(super) const BASE: &str = "user.larm.base";
pub(super) const BASE_FINGERPRINT: &str = "user.larm.base-fingerprint";
pub(super) const RECIPE: &str = "user.larm.recipe";
pub(super) const RUNNER_VERSION: &str = "user.larm.runner-version";
pub(super) const BUILT_AT: &str = "user.larm.built-at";
/// Whether a canary became ready.
pub(super) const VERIFIED: &str = "user.larm.verified";
/// When its build has ended in any case.
pub(super) const UNTIL: &str = "user.larm.until";
/// When somebody went back from it.
pub(super) const WITHDRAWN: &str = "user.larm.withdrawn";
/// When somebody went back to it.
pub(super) const RESTORED: &str = "user.larm.restored";
/// When its canary failed.
pub(super) const FAILED: &str = "user.larm.failed";
/// When GitHub gives its runner version no more jobs.
const RUNNER_ENDS: &str = "user.larm.runner-ends";
/// What all of them begin with.
pub(super) const OURS: &str = "user.larm.";
pub(super) const YES: &str = "yes";

/// How a generation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Default))]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// The alias names it.
    Current,
    /// Good, and what a roll-back goes to.
    Previous,
    /// Good, and neither of both.
    Good,
    /// Somebody went back from it.
    Withdrawn,
    /// It did not prove good.
    Failed,
    /// It has not proved good yet: its build goes on, or was killed.
    #[cfg_attr(test, default)]
    Candidate,
}

/// One image that `larm image build` has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(Default))]
pub struct Generation {
    /// The alias that it was built under.
    pub alias: String,
    /// Its number, from 1.
    pub number: u64,
    /// How it stands.
    pub standing: Standing,
    /// The image.
    pub fingerprint: String,
    /// `container` or `virtual-machine`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// What it was made from, as written.
    pub base: String,
    /// The image that this was then.
    pub base_fingerprint: String,
    /// The recipe's digest.
    pub recipe: String,
    /// The runner application's version, if one is in it.
    pub runner_version: Option<String>,
    /// When it was built.
    pub built_at: Option<Timestamp>,
    /// When GitHub gives its runner version no more jobs, if that is known.
    pub runner_ends: Option<Timestamp>,
    /// When somebody last went back to it.
    pub restored_at: Option<Timestamp>,
    /// All aliases that name it.
    pub names: Vec<String>,
    /// When its build has ended in any case.
    #[serde(skip)]
    pub(super) until: Option<Timestamp>,
}

impl Standing {
    /// Whether it proved good and nobody went back from it.
    pub fn is_good(self) -> bool {
        match self {
            Self::Current | Self::Previous | Self::Good => true,
            Self::Withdrawn | Self::Failed | Self::Candidate => false,
        }
    }
}

impl Generation {
    /// The generation that an image is; `None` if it is none of ours.
    pub fn of(image: &Image) -> Option<Self> {
        let text = |key: &str| image.properties.get(key).cloned().filter(|text| !text.is_empty());
        let time = |key: &str| text(key).and_then(|text| text.parse().ok());
        let alias = text(IMAGE)?;
        let standing = if image.aliases.iter().any(|name| name.name == alias) {
            Standing::Current
        } else if text(FAILED).is_some() {
            Standing::Failed
        } else if text(VERIFIED).is_none_or(|verified| verified != YES) {
            Standing::Candidate
        } else if text(WITHDRAWN).is_some() {
            Standing::Withdrawn
        } else {
            Standing::Good
        };
        Some(Self {
            number: text(GENERATION)?.parse().ok()?,
            standing,
            fingerprint: image.fingerprint.clone(),
            kind: image.kind.clone(),
            size: image.size.try_into().unwrap_or_default(),
            base: text(BASE).unwrap_or_default(),
            base_fingerprint: text(BASE_FINGERPRINT).unwrap_or_default(),
            recipe: text(RECIPE).unwrap_or_default(),
            runner_version: text(RUNNER_VERSION),
            built_at: time(BUILT_AT),
            runner_ends: time(RUNNER_ENDS),
            restored_at: time(RESTORED),
            names: image.aliases.iter().map(|name| name.name.clone()).collect(),
            until: time(UNTIL),
            alias,
        })
    }
}

/// All generations of all aliases, the newest of each alias first.
pub async fn list(client: &Client) -> Result<Vec<Generation>, lxd::Error> {
    let images = client.images().await?;
    Ok(in_order(images.iter().filter_map(Generation::of).collect()))
}

fn in_order(mut all: Vec<Generation>) -> Vec<Generation> {
    all.sort_by(|a, b| {
        (&a.alias, b.number, &a.fingerprint).cmp(&(&b.alias, a.number, &b.fingerprint))
    });
    let current: BTreeMap<String, u64> = all
        .iter()
        .filter(|one| one.standing == Standing::Current)
        .map(|one| (one.alias.clone(), one.number))
        .collect();
    let mut before = None;
    for one in &mut all {
        let older = current.get(&one.alias).is_some_and(|number| one.number < *number);
        if older && one.standing == Standing::Good && before.as_ref() != Some(&one.alias) {
            one.standing = Standing::Previous;
            before = Some(one.alias.clone());
        }
    }
    all
}

/// The generations of one alias.
///
/// # Errors
/// [`ImageError::UnknownAlias`] if there are none.
pub(super) async fn of_alias(client: &Client, alias: &str) -> Result<Vec<Generation>, ImageError> {
    let mut all = list(client).await?;
    all.retain(|one| one.alias == alias);
    if all.is_empty() {
        return Err(ImageError::UnknownAlias(alias.to_owned()));
    }
    Ok(all)
}

/// The generation that an alias names.
///
/// # Errors
/// [`ImageError::UnknownAlias`] if it names none of ours.
pub async fn current(client: &Client, alias: &str) -> Result<Generation, ImageError> {
    let mut all = of_alias(client, alias).await?.into_iter();
    let current = all.find(|one| one.standing == Standing::Current);
    current.ok_or_else(|| ImageError::UnknownAlias(alias.to_owned()))
}

/// One generation by its number.
///
/// # Errors
/// [`ImageError::UnknownAlias`], [`ImageError::UnknownGeneration`].
pub async fn find(client: &Client, alias: &str, number: u64) -> Result<Generation, ImageError> {
    let mut all = of_alias(client, alias).await?.into_iter();
    let found = all.find(|one| one.number == number);
    found.ok_or_else(|| ImageError::UnknownGeneration { alias: alias.to_owned(), number })
}

/// Writes down when GitHub gives a generation's runner version no more jobs.
pub async fn mark_end(
    client: &Client,
    generation: &Generation,
    end: Timestamp,
) -> Result<(), lxd::Error> {
    let properties = [(RUNNER_ENDS.to_owned(), end.to_string())].into();
    client.change_image_properties(&generation.fingerprint, &properties).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lxd::ImageAlias;

    fn image(number: u64, marks: &[(&str, &str)], alias: Option<&str>) -> Image {
        let number = number.to_string();
        let all = [(IMAGE, "a"), (GENERATION, number.as_str())];
        let all = all.iter().chain(marks).map(|(key, is)| ((*key).to_owned(), (*is).to_owned()));
        Image {
            fingerprint: format!("f{number}"),
            properties: all.collect(),
            aliases: alias.map(|name| ImageAlias { name: name.to_owned() }).into_iter().collect(),
            ..Image::default()
        }
    }

    #[test]
    fn one_before_the_current_is_the_previous() {
        let good = [(VERIFIED, YES)];
        let images = [
            image(1, &good, None),
            image(2, &good, None),
            image(3, &[(VERIFIED, YES), (WITHDRAWN, "2026-01-01T00:00:00Z")], None),
            image(4, &good, Some("a")),
            image(5, &[(VERIFIED, "no"), (FAILED, "2026-01-01T00:00:00Z")], None),
            image(6, &[(VERIFIED, "no")], None),
        ];
        let all = in_order(images.iter().filter_map(Generation::of).collect());
        let standings: Vec<_> = all.iter().map(|one| (one.number, one.standing)).collect();
        let wanted = [
            (6, Standing::Candidate),
            (5, Standing::Failed),
            (4, Standing::Current),
            (3, Standing::Withdrawn),
            (2, Standing::Previous),
            (1, Standing::Good),
        ];
        assert_eq!(standings, wanted);
    }

    #[test]
    fn an_image_of_others_is_no_generation() {
        assert_eq!(Generation::of(&Image::default()), None);
        assert_eq!(Generation::of(&image(1, &[(GENERATION, "x")], None)), None);
    }
}
