//! Keeps the runner application that guests get: fetched once, then given out.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::baking::Ends;
use super::stock::Images;
use crate::application::{
    Cache, CacheOptions, Cached, FetchError, NoChoice, Progress, Wanted, choose, host_architecture,
};
use crate::clock;
use crate::config::{ApplicationOrigin, Settings, Tarball};
use crate::farm::Farm;
use crate::github::{Connection, GitHubError};
use crate::manager::{AccountsReceiver, LxdRunnerManager};
use crate::model::{Deprecation, Download, GitHubPath, Phase, RunnerId};

/// Where the cache is, in the state directory.
const DIRECTORY: &str = "application";
/// The listener ends with it where GitHub gives its version no jobs (GitHub's runner,
/// `Constants.Runner.ReturnCode`).
const VERSION_DEPRECATED: i32 = 7;
/// How often a newer version is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// The pauses between tries, of which the last one is repeated.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
];

/// The cache of a daemon with this state directory.
pub fn application_cache(state_dir: &Path) -> Cache {
    Cache::new(state_dir.join(DIRECTORY), CacheOptions::default())
}

/// Where the runner application comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is in the image.
    Image,
    /// The archive that the configuration names.
    Fixed(Tarball),
    /// The newest that GitHub lists.
    GitHub,
}

/// What the configuration says, and where it says nothing: GitHub's, if there is an account that
/// could ask for it.
pub fn origin(settings: &Settings) -> Origin {
    let account = settings.connections.iter().any(|one| one.auth.is_some());
    match (&settings.runner.tarball, settings.runner.application) {
        (Some(tarball), _) => Origin::Fixed(tarball.clone()),
        (None, Some(ApplicationOrigin::GitHub)) => Origin::GitHub,
        (None, None) if account => Origin::GitHub,
        (None, Some(ApplicationOrigin::Image) | None) => Origin::Image,
    }
}

/// Keeps the runner application that guests get. Never ends: what cannot be fetched is tried again.
pub(super) async fn provide(origin: Origin, provider: Provider) {
    match origin {
        Origin::Image => provider.watch_ends().await,
        Origin::Fixed(tarball) => {
            let wanted = Wanted::at(&tarball.url, &tarball.sha256);
            let cached = fetch(&provider.cache, &wanted).await;
            provider.give(cached).await;
            provider.watch_ends().await;
        }
        Origin::GitHub => provider.follow().await,
    }
    std::future::pending::<()>().await;
}

/// What provides the runner application.
pub(super) struct Provider {
    cache: Cache,
    given: watch::Sender<Option<Arc<Cached>>>,
    accounts: AccountsReceiver,
    farm: Farm,
    manager: LxdRunnerManager,
    /// The images of the pools, some of which have an application in them.
    images: watch::Receiver<Arc<Images>>,
    /// When versions end, as far as that is known.
    ends: watch::Sender<Arc<Ends>>,
}

/// Why the newest version could not be found.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    #[error(transparent)]
    NoChoice(#[from] NoChoice),
    #[error("GitHub offers no runner for this machine's architecture")]
    Architecture,
}

impl Provider {
    /// Also returns when versions end, as that becomes known.
    pub(super) fn new(
        settings: &Settings,
        given: watch::Sender<Option<Arc<Cached>>>,
        accounts: AccountsReceiver,
        (farm, manager): (&Farm, &LxdRunnerManager),
        images: watch::Receiver<Arc<Images>>,
    ) -> (Self, watch::Receiver<Arc<Ends>>) {
        let (ends, known) = watch::channel(Arc::default());
        let cache = application_cache(&settings.state_dir);
        let (farm, manager) = (farm.clone(), manager.clone());
        (Self { cache, given, accounts, farm, manager, images, ends }, known)
    }

    /// Gives out GitHub's newest version, and looks for a newer one from time to time.
    async fn follow(mut self) {
        self.give_newest_of_cache().await;
        let mut pauses = PAUSES.into_iter();
        let (mut pause, mut refused) = (Duration::ZERO, BTreeSet::new());
        loop {
            let pools = self.places();
            let mut looked = Ok(());
            for (connection, path) in &pools {
                looked = self.look(connection, path).await;
                if looked.is_ok() {
                    break;
                }
            }
            pause = match looked {
                Ok(()) if pools.is_empty() => EVERY,
                Ok(()) => {
                    pauses = PAUSES.into_iter();
                    EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "the newest runner application is not known");
                    pauses.next().unwrap_or(pause)
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = somebody_was_refused(&self.manager, &mut refused) => {}
                // After a reload there may be other accounts.
                changed = self.accounts.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Where GitHub can be asked: one place of each connection with pools.
    fn places(&self) -> Vec<(Connection, GitHubPath)> {
        let (view, accounts) = (self.farm.view(), self.accounts.borrow());
        let mut places: Vec<(Connection, GitHubPath)> = Vec::new();
        for target in view.settings.pools.iter().map(|pool| &pool.target) {
            let Some(account) = accounts.get(&target.connection) else { continue };
            if !places.iter().any(|(known, _)| known.name() == target.connection) {
                places.push((account.connection.clone(), target.path.clone()));
            }
        }
        places
    }

    /// GitHub need not be there for what was fetched before.
    async fn give_newest_of_cache(&self) {
        match self.cache.list().await {
            Ok(mut cached) => {
                if let Some(newest) = cached.pop() {
                    tracing::info!(version = newest.version, "guests get this runner application");
                    self.given.send_replace(Some(Arc::new(newest)));
                }
            }
            Err(error) => tracing::warn!(%error, "the kept runner applications were not listed"),
        }
    }

    async fn look(&self, connection: &Connection, path: &GitHubPath) -> Result<(), FollowError> {
        let architecture = host_architecture().ok_or(FollowError::Architecture)?;
        let downloads = connection.downloads(path).await?;
        let deprecations = self.look_at_ends(connection, path, &downloads, architecture).await?;
        let now = clock::now();
        let choice = choose(&downloads, &deprecations, architecture, now)?;
        let given = self.given.borrow().as_ref().map(|cached| cached.version.clone());
        if given.as_ref() != Some(&choice.wanted.version) {
            let cached = fetch(&self.cache, &choice.wanted).await;
            self.give(cached).await;
        }
        Ok(())
    }

    /// Gives out nothing: the applications come with the images, or the configuration names one.
    async fn watch_ends(mut self) {
        let Some(architecture) = host_architecture() else { return };
        loop {
            for (connection, path) in &self.places() {
                match self.look_at_ends(connection, path, &[], architecture).await {
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(%error, "when runner applications end is not known");
                    }
                }
            }
            tokio::select! {
                () = sleep(EVERY) => {}
                changed = self.images.changed() => if changed.is_err() { return },
                changed = self.accounts.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Asks when the versions end that are in use or may be, and tells of those that have.
    async fn look_at_ends(
        &self,
        connection: &Connection,
        path: &GitHubPath,
        downloads: &[Download],
        architecture: &str,
    ) -> Result<Vec<Deprecation>, GitHubError> {
        let now = clock::now();
        let (mut deprecations, mut doomed) = (Vec::new(), Vec::new());
        for version in self.versions(downloads, architecture).await {
            let Some(found) = connection.deprecation(path, &version).await? else { continue };
            if found.end().is_some_and(|end| end <= now) {
                doomed.push(version);
            }
            deprecations.push(found);
        }
        let ends = deprecations.iter().filter_map(|one| Some((one.version.clone(), one.end()?)));
        let ends: Ends = ends.collect();
        self.ends.send_if_modified(|known| {
            let changed = **known != ends;
            if changed {
                *known = Arc::new(ends);
            }
            changed
        });
        self.farm.doom(doomed.clone()).await;
        self.withhold(&doomed);
        Ok(deprecations)
    }

    /// Every version that is in use or may be.
    async fn versions(&self, downloads: &[Download], architecture: &str) -> BTreeSet<String> {
        let listed = downloads.iter().filter(|one| one.os == "linux");
        let listed = listed.filter(|one| one.architecture == architecture);
        let kept = self.cache.list().await.unwrap_or_default();
        let view = self.manager.view();
        let live = view.runners.values().filter(|one| one.phase <= Phase::Busy);
        let used = live.filter_map(|record| record.application_version.clone());
        let images = Arc::clone(&self.images.borrow());
        let baked = images.0.values().filter_map(|image| image.runner_version.clone());
        listed
            .map(|one| one.version.clone())
            .chain(baked)
            .chain(kept.into_iter().map(|one| one.version))
            .chain(used)
            .collect()
    }

    /// What GitHub gives no jobs is given to nobody.
    fn withhold(&self, doomed: &[String]) {
        self.given.send_if_modified(|given| {
            let is_doomed = given.as_ref().is_some_and(|one| doomed.contains(&one.version));
            if is_doomed {
                *given = None;
            }
            is_doomed
        });
    }

    async fn give(&self, cached: Cached) {
        tracing::info!(version = cached.version, "guests get this runner application");
        let mut keep = BTreeSet::from([cached.version.clone()]);
        let before = self.given.send_replace(Some(Arc::new(cached)));
        // A push of the one before may be under way.
        keep.extend(before.map(|before| before.version.clone()));
        if let Err(error) = self.cache.prune(&keep).await {
            tracing::warn!(%error, "an older runner application was not removed");
        }
    }
}

/// Waits for a listener that ended because GitHub gives its version no jobs: GitHub is asked whether
/// that is so. What a runner that has had a job says of itself may be the job's word.
async fn somebody_was_refused(manager: &LxdRunnerManager, known: &mut BTreeSet<RunnerId>) {
    let mut view = manager.subscribe();
    loop {
        let new: Vec<RunnerId> = view
            .borrow_and_update()
            .runners
            .values()
            .filter(|one| one.exit_code == Some(VERSION_DEPRECATED) && !one.may_have_had_job())
            .map(|one| one.id().clone())
            .filter(|id| !known.contains(id))
            .collect();
        if !new.is_empty() {
            known.extend(new);
            return;
        }
        if view.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn fetch(cache: &Cache, wanted: &Wanted) -> Cached {
    let mut pauses = PAUSES.into_iter();
    let mut pause = Duration::ZERO;
    loop {
        match cache.fetch(wanted, log_progress(&wanted.filename)).await {
            Ok(cached) => return cached,
            Err(error) => warn(&error),
        }
        pause = pauses.next().unwrap_or(pause);
        sleep(pause).await;
    }
}

fn warn(error: &FetchError) {
    let hint = error.hint().unwrap_or_default();
    tracing::warn!(hint, "{error}: {}; guests wait for it", error.kind);
}

/// A line for each quarter.
fn log_progress(file: &str) -> impl FnMut(Progress) + Send + use<> {
    let (file, mut told) = (file.to_owned(), 0);
    move |Progress { done, total }| {
        let quarters = total.and_then(|total| done.saturating_mul(4).checked_div(total));
        if let Some(quarters) = quarters.filter(|quarters| *quarters > told) {
            told = quarters;
            tracing::info!(file, done, total, "fetching the runner application");
        }
    }
}
