//! The alias, which says what runners are made from.

use super::error::ImageError;
use super::generation::{self, Generation};
use crate::lxd::{self, Client, ErrorKind};

/// Makes sure that an alias is ours to move.
pub(super) async fn is_ours(client: &Client, alias: &str) -> Result<(), ImageError> {
    let Some(image) = client.image_by_alias(alias).await? else { return Ok(()) };
    match Generation::of(&image) {
        Some(one) if one.alias == alias => Ok(()),
        Some(_) | None => Err(ImageError::Foreign { alias: alias.to_owned() }),
    }
}

/// Lets an alias stand for a generation. It never moves one that is somebody else's.
pub(super) async fn point(client: &Client, to: &Generation) -> Result<(), ImageError> {
    let (alias, fingerprint) = (to.alias.as_str(), to.fingerprint.as_str());
    is_ours(client, alias).await?;
    let description = format!("larm: generation {}", to.number);
    match client.move_alias(alias, fingerprint, &description).await {
        // LXD's words for a missing alias are those for a missing image.
        Err(error) if is_missing(&error) => {}
        moved => return Ok(moved?),
    }
    match client.create_alias(alias, fingerprint).await {
        // Another build has made it since.
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {
            Ok(client.move_alias(alias, fingerprint, &description).await?)
        }
        made => Ok(made?),
    }
}

fn is_missing(error: &lxd::Error) -> bool {
    error.is_not_found() || matches!(error.kind(), ErrorKind::ImageMissing { .. })
}

/// Sets properties of an image.
pub(super) async fn mark(
    client: &Client,
    fingerprint: &str,
    marks: &[(&str, &str)],
) -> Result<(), ImageError> {
    let marks = marks.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Ok(client.change_image_properties(fingerprint, &marks.collect()).await?)
}

/// The number of the next generation of an alias.
pub(super) async fn next_number(client: &Client, alias: &str) -> Result<u64, ImageError> {
    let all = generation::list(client).await?;
    let numbers = all.iter().filter(|one| one.alias == alias).map(|one| one.number);
    Ok(numbers.max().unwrap_or_default().saturating_add(1))
}
