//! Removes generations that nobody will go back to, and what killed builds have left.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::error::ImageError;
use super::generation::{self, Generation, Standing};
use super::instance::{self, STEP_LIMIT};
use crate::clock;
use crate::lxd::Client;

/// How long an image may take to be deleted.
const LIMIT: Duration = Duration::from_mins(5);

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Images.
    pub generations: Vec<Generation>,
    /// Instances of builds that were killed.
    pub instances: Vec<String>,
}

/// Removes all generations but the current one and `keep` older good ones of each alias, or of
/// `alias` only; and the instances of builds that must have ended by now. What any alias names stays.
/// `dry_run` removes nothing.
///
/// # Errors
/// [`ImageError`] of the first thing that LXD did not remove; the others are removed all the same.
pub async fn prune(
    client: &Client,
    alias: Option<&str>,
    keep: usize,
    dry_run: bool,
) -> Result<Pruned, ImageError> {
    let now = clock::now();
    let mut all = generation::list(client).await?;
    all.retain(|one| alias.is_none_or(|alias| one.alias == alias));
    let generations = surplus(all, keep, now);
    let pruned = Pruned { generations, instances: instance::stale(client, now).await? };
    if dry_run { Ok(pruned) } else { pruned.carry_out(client).await }
}

/// Removes what builds that were killed or broken off have left, once they must have ended.
///
/// # Errors
/// [`ImageError`] of the first thing that LXD did not remove; the others are removed all the same.
pub async fn prune_leftovers(client: &Client) -> Result<Pruned, ImageError> {
    let now = clock::now();
    let mut generations = generation::list(client).await?;
    generations.retain(|one| is_left_over(one, now));
    let instances = instance::stale(client, now).await?;
    Pruned { generations, instances }.carry_out(client).await
}

impl Pruned {
    async fn carry_out(self, client: &Client) -> Result<Self, ImageError> {
        let mut result = Ok(());
        for one in &self.generations {
            result = result.and(delete(client, &one.fingerprint).await);
        }
        for name in &self.instances {
            let removed = client.remove_instance(name, STEP_LIMIT).await;
            result = result.and(removed.map(drop).map_err(Into::into));
        }
        result.map(|()| self)
    }
}

/// Deletes an image, unless an alias names it by now.
pub(super) async fn delete(client: &Client, fingerprint: &str) -> Result<(), ImageError> {
    let Some(image) = client.image(fingerprint).await? else { return Ok(()) };
    if !image.aliases.is_empty() {
        return Ok(());
    }
    let deleted = match client.delete_image(fingerprint).await {
        Ok(operation) => client.wait(&operation, LIMIT).await.map(drop),
        Err(error) => Err(error),
    };
    match deleted {
        Err(error) if !error.is_not_found() => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Those of them, the newest first, that are to be removed. What a build has not done with stays.
fn surplus(mut newest_first: Vec<Generation>, keep: usize, now: Timestamp) -> Vec<Generation> {
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    newest_first.retain(|one| {
        one.names.is_empty()
            && match one.standing {
                Standing::Current => false,
                Standing::Previous | Standing::Good
                    if one.until.is_some_and(|until| until > now) =>
                {
                    false
                }
                Standing::Previous | Standing::Good => {
                    let kept = kept.entry(one.alias.clone()).or_default();
                    *kept = kept.saturating_add(1);
                    *kept > keep
                }
                Standing::Withdrawn | Standing::Failed => true,
                Standing::Candidate => is_left_over(one, now),
            }
    });
    newest_first
}

/// Whether its build was killed.
fn is_left_over(one: &Generation, now: Timestamp) -> bool {
    one.standing == Standing::Candidate && one.until.is_none_or(|until| until <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: u64, standing: Standing, until: i64) -> Generation {
        Generation {
            alias: "a".into(),
            number,
            standing,
            until: Timestamp::from_second(until).ok(),
            ..Generation::default()
        }
    }

    #[test]
    fn the_current_and_some_good_ones_stay() {
        let all = vec![
            one(8, Standing::Candidate, 100),
            one(7, Standing::Candidate, 10),
            one(6, Standing::Failed, 100),
            one(5, Standing::Current, 0),
            one(4, Standing::Withdrawn, 0),
            one(3, Standing::Previous, 0),
            one(2, Standing::Good, 0),
            one(1, Standing::Good, 0),
        ];
        let now = Timestamp::from_second(50).unwrap();
        let gone = |keep| {
            let gone = surplus(all.clone(), keep, now);
            gone.iter().map(|one| one.number).collect::<Vec<_>>()
        };
        assert_eq!(gone(1), [7, 6, 4, 2, 1]);
        assert_eq!(gone(0), [7, 6, 4, 3, 2, 1]);
        assert_eq!(gone(9), [7, 6, 4]);
        let named = Generation { names: vec!["stable".into()], ..one(2, Standing::Good, 0) };
        assert_eq!(surplus(vec![named], 0, now), []);
    }
}
