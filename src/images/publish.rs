//! Makes the image: a candidate with a number of its own, which no alias names yet.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::alias::{mark, next_number};
use super::error::ImageError;
use super::generation::{self, Generation, Standing};
use super::instance::Guest;
use super::options::BuildOptions;
use crate::clock;
use crate::lxd::Config;
use crate::model::Recipe;

/// How long LXD may take: some gigabytes on a slow disk.
const LIMIT: Duration = Duration::from_mins(30);
/// The config keys that LXD makes of an image's properties, without the property's name.
const INHERITED: &str = "image.";
/// Where LXD says which image an instance was made from.
const BASE_IMAGE: &str = "volatile.base_image";

/// Makes an image of the stopped guest; returns its fingerprint.
pub(super) async fn publish(
    guest: &Guest,
    options: &BuildOptions,
    runner_version: Option<&str>,
) -> Result<String, ImageError> {
    let number = next_number(&guest.client, &options.alias).await?;
    let instance = guest.client.instance(&guest.name).await?;
    let config = instance.map(|instance| instance.config).unwrap_or_default();
    let mut properties = inherited(&config);
    properties.extend(own(options, number, runner_version));
    let base = config.get(BASE_IMAGE).cloned().unwrap_or_default();
    properties.insert(generation::BASE_FINGERPRINT.to_owned(), base);
    properties.insert(generation::UNTIL.to_owned(), guest.bounds.until.to_string());
    let operation = guest.client.publish_instance(&guest.name, &properties).await?;
    let finished = guest.client.wait(&operation, LIMIT).await?;
    let fingerprint = finished.metadata.get("fingerprint").and_then(|text| text.as_str());
    fingerprint.map(str::to_owned).ok_or(ImageError::NoFingerprint)
}

/// Makes sure that its number is greater than that of each build that has ended, and its own: of two
/// that end at once, the one with the greater fingerprint gives way.
pub(super) async fn settle_number(
    guest: &Guest,
    fingerprint: &str,
) -> Result<Generation, ImageError> {
    loop {
        let all = generation::list(&guest.client).await?;
        let mine = all.iter().find(|one| one.fingerprint == fingerprint);
        let mine = mine.ok_or(ImageError::NoFingerprint)?.clone();
        let of_alias = || all.iter().filter(|one| one.alias == mine.alias);
        if !of_alias().any(|one| goes_before(one, &mine)) {
            return Ok(mine);
        }
        guest.bounds.check()?;
        let free = of_alias().map(|one| one.number).max().unwrap_or_default().saturating_add(1);
        let free = free.to_string();
        mark(&guest.client, fingerprint, &[(generation::GENERATION, &free)]).await?;
    }
}

/// Whether the number of another one is in the way.
fn goes_before(other: &Generation, mine: &Generation) -> bool {
    if other.standing == Standing::Candidate {
        other.number == mine.number && other.fingerprint < mine.fingerprint
    } else {
        other.number >= mine.number && other.fingerprint != mine.fingerprint
    }
}

/// What the base says of itself: `os`, `release` and the like. Marks of a base that is ours are not
/// the new image's.
fn inherited(config: &Config) -> Config {
    config
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(INHERITED)?, value)))
        .filter(|(key, _)| !key.starts_with(generation::OURS))
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
}

fn own(options: &BuildOptions, number: u64, runner_version: Option<&str>) -> Config {
    let number = number.to_string();
    let description =
        format!("larm {} generation {number}, of {}", options.alias, options.base.written);
    [
        ("description", description),
        (generation::IMAGE, options.alias.clone()),
        (generation::GENERATION, number),
        (generation::BASE, options.base.written.clone()),
        (generation::RECIPE, digest(&options.recipe)),
        (generation::BUILT_AT, clock::now().to_string()),
        (generation::VERIFIED, "no".to_owned()),
        (generation::RUNNER_VERSION, runner_version.unwrap_or_default().to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// What the recipe says, in 16 hexadecimal digits.
pub(super) fn digest(recipe: &Recipe) -> String {
    let hash = format!("{:x}", Sha256::digest(format!("{recipe:?}").as_bytes()));
    hash.chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_builds_that_end_at_once_one_gives_way() {
        let one = |fingerprint: &str, number, standing| Generation {
            fingerprint: fingerprint.to_owned(),
            number,
            standing,
            ..Generation::default()
        };
        let candidate = |fingerprint, number| one(fingerprint, number, Standing::Candidate);
        let mine = candidate("b", 3);
        assert!(!goes_before(&mine, &mine));
        assert!(goes_before(&candidate("a", 3), &mine));
        assert!(!goes_before(&candidate("c", 3), &mine), "that one gives way");
        assert!(!goes_before(&candidate("a", 4), &mine), "it may never prove good");
        for (number, goes) in [(2, false), (3, true), (4, true)] {
            assert_eq!(goes_before(&one("c", number, Standing::Current), &mine), goes, "{number}");
        }
    }
}
