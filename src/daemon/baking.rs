//! Keeps the golden image fresh that the configuration names: marks when its runner application
//! ends, and builds it anew in time. Pools roll over by themselves when its alias moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::application::{Origin, origin as application_origin};
use crate::application::Cached;
use crate::clock;
use crate::config::{self, Settings};
use crate::images::{self, BuildOptions, Generation, ImageError, Progress, Pruned, Standing};
use crate::lxd::{self, Client};
use crate::metrics::Metrics;

/// When GitHub gives a version of the runner application no more jobs, by version.
pub(super) type Ends = BTreeMap<String, Timestamp>;

/// The runner application that guests get, once there is one.
type Offered = watch::Receiver<Option<Arc<Cached>>>;

/// How often it is looked whether anything is due.
const EVERY: Duration = Duration::from_hours(1);
/// The pause after a build that failed: what is wrong with it is wrong for longer.
const AFTER_FAILURE: Duration = Duration::from_hours(6);
/// How soon after the start of the daemon it looks first: runners go first.
const FIRST: Duration = Duration::from_secs(5);
/// How long a build may take.
const LIMIT: Duration = Duration::from_mins(30);

/// Keeps the golden image fresh.
pub(super) struct Baker {
    client: Client,
    settings: watch::Receiver<Arc<Settings>>,
    application: Offered,
    ends: watch::Receiver<Arc<Ends>>,
    metrics: Metrics,
}

impl Baker {
    pub(super) fn new(
        settings: watch::Receiver<Arc<Settings>>,
        client: &Client,
        (application, ends): (Offered, watch::Receiver<Arc<Ends>>),
        metrics: &Metrics,
    ) -> Self {
        Self { client: client.clone(), settings, application, ends, metrics: metrics.clone() }
    }

    /// Runs until told to stop; a build that is under way is broken off. What it had no time to remove
    /// is removed by a later look, once that build must have ended.
    pub(super) async fn keep(mut self, stop: CancellationToken) {
        let mut pause = FIRST;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
                changed = self.settings.changed() => if changed.is_err() { return },
                changed = self.ends.changed() => if changed.is_err() { return },
                changed = self.application.changed() => if changed.is_err() { return },
            }
            pause = EVERY;
            self.try_look(&stop).await;
            let settings = Arc::clone(&self.settings.borrow_and_update());
            match self.build_if_due(&settings, &stop).await {
                Ok(false) => {}
                Ok(true) => self.try_look(&stop).await,
                Err(()) => pause = AFTER_FAILURE,
            }
        }
    }

    async fn try_look(&mut self, stop: &CancellationToken) {
        if let Err(error) = self.look(stop).await {
            tracing::warn!(%error, "the golden images could not be looked at");
        }
        match images::prune_leftovers(&self.client).await {
            Ok(pruned) if pruned == Pruned::default() => {}
            Ok(Pruned { instances, generations }) => {
                let images = generations.len();
                tracing::info!(?instances, images, "what broken builds had left is removed");
            }
            Err(error) => tracing::warn!(%error, "what broken builds have left stays"),
        }
    }

    /// Marks each generation with the end of its runner application, and counts.
    async fn look(&mut self, stop: &CancellationToken) -> Result<(), lxd::Error> {
        let ends = Arc::clone(&self.ends.borrow_and_update());
        let mut all = images::list(&self.client).await?;
        for one in &mut all {
            let end = one.runner_version.as_ref().and_then(|version| ends.get(version)).copied();
            let Some(end) = end.filter(|end| one.runner_ends != Some(*end)) else { continue };
            if stop.is_cancelled() {
                return Ok(());
            }
            images::mark_end(&self.client, one, end).await?;
            one.runner_ends = Some(end);
        }
        let current = all.iter().filter(|one| one.standing == Standing::Current);
        for one in current {
            self.metrics.golden_image(&one.alias, one.built_at, one.runner_ends);
        }
        Ok(())
    }

    /// Whether it was built.
    async fn build_if_due(
        &self,
        settings: &Settings,
        stop: &CancellationToken,
    ) -> Result<bool, ()> {
        let Some(alias) = settings.image.alias.clone() else { return Ok(false) };
        let current = match images::current(&self.client, &alias).await {
            Ok(current) => Some(current),
            Err(ImageError::UnknownAlias(_)) => None,
            Err(error) => {
                tracing::warn!(%error, "the golden image could not be looked at");
                return Ok(false);
            }
        };
        let due = self.due(settings, current.as_ref());
        let due = due.filter(|_| !self.waits_for_application(settings));
        let Some(due) = due else { return Ok(false) };
        tracing::info!(image = %alias, ?due, "the golden image is built anew");
        match self.build(settings, &alias, stop).await {
            Ok(number) => {
                tracing::info!(image = %alias, generation = number, "the golden image is built");
                Ok(true)
            }
            Err(error) => {
                tracing::error!(image = %alias, "the golden image stays as it is: {error}");
                Err(())
            }
        }
    }

    fn due(&self, settings: &Settings, current: Option<&Generation>) -> Option<images::Due> {
        let wanted = &settings.image;
        let given = self.application.borrow();
        let newest = given.as_ref().map(|cached| cached.version.as_str());
        images::due(current, newest, wanted.rebuild, wanted.rebuild_before, clock::now())
    }

    /// Whether what is to be put in is still being fetched.
    fn waits_for_application(&self, settings: &Settings) -> bool {
        let file = settings.image.recipe.as_deref();
        // A recipe that is wrong is told of by the build.
        let wanted = config::recipe(file).is_ok_and(|recipe| recipe.parts.application);
        let comes = application_origin(settings) != Origin::Image;
        wanted && comes && self.application.borrow().is_none()
    }

    async fn build(
        &self,
        settings: &Settings,
        alias: &str,
        stop: &CancellationToken,
    ) -> Result<u64, String> {
        let options = self.options(settings, alias)?;
        let tell = |progress: Progress| match progress {
            Progress::Ended { step, took } => tracing::info!(%step, ?took, "golden image"),
            Progress::Note { text } => tracing::warn!("golden image: {text}"),
            Progress::Began { .. } | Progress::Line { .. } => {}
        };
        let built = Box::pin(images::build(options, tell, stop.clone())).await;
        built.map(|built| built.generation.number).map_err(|failed| {
            let hint = failed.error.hint().map_or(String::new(), |hint| format!(" ({hint})"));
            format!("failed to {}: {}{hint}", failed.step, failed.error)
        })
    }

    fn options(&self, settings: &Settings, alias: &str) -> Result<BuildOptions, String> {
        let wanted = &settings.image;
        let recipe = config::recipe(wanted.recipe.as_deref()).map_err(|error| error.to_string())?;
        let base = wanted.base.as_deref().unwrap_or(&recipe.base);
        let mut spec = settings.runner.spec.clone();
        if let Some(profiles) = &wanted.profiles {
            spec.profiles.clone_from(profiles);
        }
        Ok(BuildOptions {
            client: self.client.clone(),
            alias: alias.to_owned(),
            base: base.parse().map_err(|error: images::BaseError| error.to_string())?,
            application: self
                .application
                .borrow()
                .as_deref()
                .filter(|_| recipe.parts.application)
                .cloned(),
            recipe,
            spec,
            keep: usize::from(wanted.keep),
            keep_failed: false,
            limit: LIMIT,
            boot: Duration::try_from(settings.deadlines.boot).unwrap_or_default(),
        })
    }
}
