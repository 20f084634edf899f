//! A build, from its base to the alias that moves; the way back from any failure is here too.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{BuildError, ImageError};
use super::generation::{self, Generation};
use super::instance::{self, Bounds, Guest, STEP_LIMIT};
use super::options::BuildOptions;
use super::progress::{Progress, Step};
use super::prune::{self, Pruned, prune};
use super::{alias, canary, publish, steps};
use crate::clock;
use crate::lxd::{ImageSource, NewInstance};

/// A build that came to a good end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Built {
    /// The new generation, which the alias names.
    #[serde(flatten)]
    pub generation: Generation,
    /// Generations that were surplus, and what killed builds had left.
    pub pruned: Pruned,
}

/// A build under way.
struct Build<'a, T> {
    options: &'a BuildOptions,
    bounds: Bounds,
    tell: T,
    /// What is under way, for errors.
    step: Step,
    /// Instances that were made, or may have been.
    instances: Vec<String>,
    /// The image that was made.
    image: Option<String>,
}

/// Bakes an image, tries it, and lets the alias stand for it. Tells what happens as it happens.
///
/// # Errors
/// [`BuildError`]; then nothing is left but what it names, and the alias stands where it stood.
pub async fn build(
    options: BuildOptions,
    tell: impl FnMut(Progress),
    stop: CancellationToken,
) -> Result<Built, BuildError> {
    let mut build = Build {
        options: &options,
        bounds: Bounds::new(options.limit, stop),
        tell,
        step: Step::Base,
        instances: Vec::new(),
        image: None,
    };
    match Box::pin(build.run()).await {
        Ok(generation) => Ok(build.conclude(generation).await),
        Err(error) => Err(build.undo(error).await),
    }
}

impl<T: FnMut(Progress)> Build<'_, T> {
    async fn run(&mut self) -> Result<Generation, ImageError> {
        let begin = self.begin(Step::Base);
        self.look().await?;
        self.end(begin);
        let guest = self.make().await?;
        let version = self.bake(&guest).await?;
        let begin = self.begin(Step::Publish);
        guest.stop().await?;
        let fingerprint = publish::publish(&guest, self.options, version.as_deref()).await?;
        self.image = Some(fingerprint.clone());
        self.bounds.check()?;
        self.end(begin);
        self.try_out(&fingerprint).await?;
        let begin = self.begin(Step::Switch);
        let generation = publish::settle_number(&guest, &fingerprint).await?;
        let client = &self.options.client;
        let good = [(generation::VERIFIED, generation::YES), (generation::FAILED, "")];
        alias::mark(client, &fingerprint, &good).await?;
        alias::point(client, &generation).await?;
        self.end(begin);
        Ok(generation)
    }

    /// Whether the base is there and of the right type, and the alias ours.
    async fn look(&self) -> Result<(), ImageError> {
        let (options, base) = (self.options, &self.options.base);
        if options.recipe.parts.application && options.application.is_none() {
            return Err(ImageError::NoApplication);
        }
        alias::is_ours(&options.client, &options.alias).await?;
        let image = match &base.source {
            ImageSource::Alias(alias) => options.client.image_by_alias(alias).await?,
            ImageSource::Fingerprint(fingerprint) => options.client.image(fingerprint).await?,
            // LXD looks when it fetches it.
            ImageSource::Remote { .. } => return self.bounds.check(),
        };
        let image = image.ok_or_else(|| ImageError::NoBase(base.written.clone()))?;
        let wanted = options.spec.instance_type.as_str();
        if image.kind != wanted {
            let (base, is) = (base.written.clone(), image.kind);
            return Err(ImageError::BaseOfOtherType { base, is, wanted });
        }
        self.bounds.check()
    }

    async fn make(&mut self) -> Result<Guest, ImageError> {
        let begin = self.begin(Step::Create);
        let (guest, new) = self.guest(self.options.base.source.clone());
        guest.create(&new).await?;
        self.end(begin);
        let begin = self.begin(Step::Boot);
        steps::boot(&guest).await?;
        steps::bring_script(&guest).await?;
        self.end(begin);
        Ok(guest)
    }

    /// A throw-away instance that is to be made.
    fn guest(&mut self, image: ImageSource) -> (Guest, NewInstance) {
        let (options, bounds) = (self.options, self.bounds.clone());
        let new = instance::like(&options.alias, image, &options.spec, bounds.until);
        self.instances.push(new.name.clone());
        let (client, name) = (options.client.clone(), new.name.clone());
        (Guest { client, name, bounds, boot: options.boot }, new)
    }

    /// All that is done in the guest; returns the runner application's version.
    async fn bake(&mut self, guest: &Guest) -> Result<Option<String>, ImageError> {
        let recipe = &self.options.recipe;
        if !recipe.packages.is_empty() {
            let packages = recipe.packages.iter().map(String::as_str);
            let words: Vec<&str> = ["packages"].into_iter().chain(packages).collect();
            self.command(guest, Step::Packages, &words).await?;
        }
        if recipe.parts.docker {
            self.command(guest, Step::Docker, &["docker"]).await?;
        }
        let version = self.put_application_in(guest).await?;
        if let Some(script) = &recipe.script {
            steps::bring_operators(guest, script).await?;
            self.command(guest, Step::Script, &["script"]).await?;
        }
        if recipe.parts.trim {
            self.command(guest, Step::Trim, &["trim"]).await?;
        }
        self.command(guest, Step::Clean, &["clean"]).await?;
        Ok(version)
    }

    async fn put_application_in(&mut self, guest: &Guest) -> Result<Option<String>, ImageError> {
        let wanted = self.options.recipe.parts.application;
        let Some(archive) = self.options.application.as_ref().filter(|_| wanted) else {
            return Ok(None);
        };
        let begin = self.begin(Step::Application);
        steps::bring_application(guest, archive).await?;
        let words = ["application", archive.sha256.as_str()];
        let said = steps::run(guest, Step::Application, &words, &mut self.tell).await?;
        self.end(begin);
        // What it says of itself is what will run; a name in a cache is a guess.
        let version = said.into_iter().next_back().filter(|said| is_version(said));
        Ok(Some(version.unwrap_or_else(|| archive.version.clone())))
    }

    async fn command(
        &mut self,
        guest: &Guest,
        step: Step,
        words: &[&str],
    ) -> Result<(), ImageError> {
        let begin = self.begin(step);
        steps::run(guest, step, words, &mut self.tell).await?;
        self.end(begin);
        Ok(())
    }

    /// The canary.
    async fn try_out(&mut self, fingerprint: &str) -> Result<(), ImageError> {
        let begin = self.begin(Step::Canary);
        let application = self.options.recipe.parts.application;
        let (guest, mut new) = self.guest(ImageSource::Fingerprint(fingerprint.to_owned()));
        let user_data = canary::user_data(application, self.options.limit)?;
        new.config.insert("cloud-init.user-data".to_owned(), user_data);
        new.ephemeral = true;
        canary::fly(&guest, &new, application).await?;
        self.end(begin);
        Ok(())
    }

    fn begin(&mut self, step: Step) -> Instant {
        self.step = step;
        (self.tell)(Progress::Began { step });
        Instant::now()
    }

    fn end(&mut self, begin: Instant) {
        let took: Duration = begin.elapsed();
        (self.tell)(Progress::Ended { step: self.step, took });
    }

    /// Removes what is of no use any more. The alias stands: nothing of it is a failure.
    async fn conclude(mut self, generation: Generation) -> Built {
        for left in self.remove_instances().await {
            (self.tell)(Progress::Note { text: format!("something is left: {left}") });
        }
        let (client, alias) = (&self.options.client, generation.alias.as_str());
        let done = alias::mark(client, &generation.fingerprint, &[(generation::UNTIL, "")]).await;
        let pruned = prune(client, Some(alias), self.options.keep, false).await;
        let pruned = match done.and(pruned) {
            Ok(pruned) => pruned,
            Err(error) => {
                let text = format!("surplus generations stay: {error}");
                (self.tell)(Progress::Note { text });
                Pruned::default()
            }
        };
        let current = generation::find(client, alias, generation.number).await;
        Built { generation: current.unwrap_or(generation), pruned }
    }

    /// Removes what the build has made, as far as it can.
    async fn undo(mut self, error: ImageError) -> BuildError {
        let mut left = self.remove_instances().await;
        let mut kept = None;
        if let Some(fingerprint) = self.image.take() {
            let client = &self.options.client;
            if self.options.keep_failed {
                let marks = [(generation::FAILED, clock::now().to_string())];
                let marks = marks.each_ref().map(|(key, at)| (*key, at.as_str()));
                if let Err(error) = alias::mark(client, &fingerprint, &marks).await {
                    tracing::warn!(%error, "the image could not be marked as failed");
                }
                kept = Some(fingerprint);
            } else if let Err(error) = prune::delete(client, &fingerprint).await {
                tracing::warn!(%error, "an image stays behind");
                left.push(format!("lxc image delete {fingerprint} --project {}", client.project()));
            }
        }
        BuildError { step: self.step, error, left, kept }
    }

    /// Removes the instances; returns the commands that remove those that stay.
    async fn remove_instances(&mut self) -> Vec<String> {
        let client = &self.options.client;
        let mut left = Vec::new();
        for name in self.instances.drain(..) {
            if let Err(error) = client.remove_instance(&name, STEP_LIMIT).await {
                tracing::warn!(%error, "an instance stays behind");
                left.push(format!("lxc delete --force {name} --project {}", client.project()));
            }
        }
        left
    }
}

fn is_version(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    text.len() <= 100 && text.contains('.') && text.chars().all(plain)
}
