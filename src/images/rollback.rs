//! Back to an older generation.

use serde::Serialize;

use super::alias::{mark, point};
use super::error::ImageError;
use super::generation::{self, Generation, RESTORED, Standing, WITHDRAWN};
use crate::clock;
use crate::lxd::Client;

/// A roll-back that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// The alias.
    pub alias: String,
    /// The generation that it named before, if any.
    pub from: Option<u64>,
    /// The one that it names now.
    pub to: u64,
    /// The image.
    pub fingerprint: String,
}

/// Lets an alias stand for the good generation before the current one, or for `to`. All that are
/// newer are marked as withdrawn.
///
/// # Errors
/// [`ImageError`], after which the alias stands where it stood.
pub async fn rollback(
    client: &Client,
    alias: &str,
    to: Option<u64>,
) -> Result<RolledBack, ImageError> {
    let all = generation::of_alias(client, alias).await?;
    let from = all.iter().find(|one| one.standing == Standing::Current);
    let to = choose(&all, alias, to)?;
    let now = clock::now().to_string();
    // The alias moves last: whoever repeats what failed in between goes back to the same one.
    mark(client, &to.fingerprint, &[(WITHDRAWN, ""), (RESTORED, &now)]).await?;
    for newer in all.iter().filter(|one| one.standing.is_good() && one.number > to.number) {
        mark(client, &newer.fingerprint, &[(WITHDRAWN, &now)]).await?;
    }
    point(client, to).await?;
    Ok(RolledBack {
        alias: alias.to_owned(),
        from: from.map(|from| from.number),
        to: to.number,
        fingerprint: to.fingerprint.clone(),
    })
}

fn choose<'a>(
    all: &'a [Generation],
    alias: &str,
    to: Option<u64>,
) -> Result<&'a Generation, ImageError> {
    let proved = |one: &&Generation| one.standing.is_good() || one.standing == Standing::Withdrawn;
    if let Some(number) = to {
        let found = all.iter().filter(proved).find(|one| one.number == number);
        return found
            .ok_or_else(|| ImageError::UnknownGeneration { alias: alias.to_owned(), number });
    }
    let has_current = all.iter().any(|one| one.standing == Standing::Current);
    // Where the alias was deleted, the newest good one is what it stood for.
    let wanted = if has_current { Standing::Previous } else { Standing::Good };
    let found = all.iter().find(|one| one.standing == wanted);
    found.ok_or_else(|| ImageError::NothingBefore(alias.to_owned()))
}
