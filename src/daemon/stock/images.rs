//! Which image each alias names.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::clock;
use crate::images::Generation;
use crate::lxd::{self, Client};
use crate::model::Spec;

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The version of the runner application in it, if larm has built it with one.
    pub runner_version: Option<String>,
}

/// What is known of the images of aliases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images(pub BTreeMap<String, ImageFacts>);

impl Images {
    /// A spec with what is known of its image.
    pub fn complete(&self, spec: &Spec) -> Spec {
        let facts = self.0.get(&spec.image);
        Spec {
            fingerprint: facts.map(|facts| facts.fingerprint.clone()).unwrap_or_default(),
            baked: facts.and_then(|facts| facts.runner_version.clone()),
            ..spec.clone()
        }
    }

    /// Looks each alias up. One that names no image is left out.
    pub(super) async fn look(
        client: &Client,
        aliases: &BTreeSet<&str>,
    ) -> Result<Self, lxd::Error> {
        let now = clock::now();
        let looks = aliases.iter().map(|alias| async {
            Ok(client.image_by_alias(alias).await?.map(|image| {
                let runner_version = Generation::of(&image).and_then(|one| usable(one, now));
                let facts = ImageFacts { fingerprint: image.fingerprint, runner_version };
                ((*alias).to_owned(), facts)
            }))
        });
        let found: Vec<Option<_>> = futures_util::future::try_join_all(looks).await?;
        Ok(Self(found.into_iter().flatten().collect()))
    }
}

/// The version of the runner application in an image, unless GitHub gives it no jobs any more.
fn usable(generation: Generation, now: Timestamp) -> Option<String> {
    let ended = generation.runner_ends.is_some_and(|end| end <= now);
    generation.runner_version.filter(|_| !ended)
}
