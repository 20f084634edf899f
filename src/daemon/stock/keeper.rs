//! Keeps the stock of one larm while the daemon runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::seeds::Seeds;
use super::{Images, Kept, Measured, Place, Wanted, trial};
use crate::clock;
use crate::lxd::{self, Client, Event, EventHub, Events};
use crate::manager::{Grain, LxdRunnerManager, Stock};
use crate::model::{InstanceType, NamePrefix, Phase, Spec, Way};

/// How often aliases are looked up: images may be in another LXD project, whose events are not
/// heard.
const EVERY: Duration = Duration::from_mins(1);
/// The pauses after failures, of which the last one is repeated.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_mins(1), Duration::from_mins(10)];
/// How long the start of the farm waits for the first look.
const FIRST: Duration = Duration::from_secs(5);
/// So long nothing must have been made before it is measured how fast that goes.
const QUIET: Duration = Duration::from_secs(5);

/// Keeps the stock of one larm.
pub(in crate::daemon) struct Keeper {
    seeds: Seeds,
    state_dir: PathBuf,
    wanted: watch::Receiver<Arc<Wanted>>,
    images: watch::Sender<Arc<Images>>,
    stock: watch::Sender<Arc<Stock>>,
    /// What the stock was made for, where that went well.
    done: Option<(Arc<Wanted>, Arc<Images>)>,
    /// Where it is not known how fast each way is, and what that could be tried with.
    unmeasured: Vec<(Place, Grain)>,
    failures: usize,
}

impl Keeper {
    pub(in crate::daemon) fn new(
        client: Client,
        prefix: NamePrefix,
        state_dir: PathBuf,
        wanted: watch::Receiver<Arc<Wanted>>,
    ) -> Self {
        Self {
            seeds: Seeds { client, prefix },
            state_dir,
            wanted,
            images: watch::Sender::default(),
            stock: watch::Sender::default(),
            done: None,
            unmeasured: Vec::new(),
            failures: 0,
        }
    }

    pub(in crate::daemon) fn images(&self) -> watch::Receiver<Arc<Images>> {
        self.images.subscribe()
    }

    pub(in crate::daemon) fn stock(&self) -> watch::Receiver<Arc<Stock>> {
        self.stock.subscribe()
    }

    /// Looks once before anything is made, but not for long: LXD need not be there. Returns the
    /// storage driver of the first kind of instance, if LXD tells.
    pub(in crate::daemon) async fn prepare(&mut self) -> Option<String> {
        let wanted = Arc::clone(&self.wanted.borrow());
        let look = async {
            self.look_at_images(&wanted).await?;
            let Some(spec) = wanted.specs.first() else { return Ok(None) };
            Place::of(&self.seeds.client, spec).await
        };
        let found: Result<_, lxd::Error> = timeout(FIRST, look).await.ok()?;
        found.ok().flatten().map(|place| place.driver)
    }

    /// Never ends.
    pub(in crate::daemon) async fn keep(mut self, hub: EventHub, manager: LxdRunnerManager) {
        self.seeds.client = self.seeds.client.with_events(&hub);
        let mut events = hub.subscribe();
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    self.failures = 0;
                    EVERY
                }
                Err(error) => {
                    tracing::warn!(hint = error.hint(), "instances may be made slowly: {error}");
                    self.failures = self.failures.saturating_add(1);
                    pause_after(self.failures)
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = image_changed(&mut events) => {}
                () = until_quiet(&manager), if self.may_measure() => self.measure().await,
                changed = self.wanted.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
        }
    }

    /// Brings everything in line with what is wanted and what LXD has.
    async fn look(&mut self) -> Result<(), lxd::Error> {
        let wanted = Arc::clone(&self.wanted.borrow_and_update());
        self.look_at_images(&wanted).await?;
        let images = Arc::clone(&self.images.borrow());
        let state = Some((Arc::clone(&wanted), Arc::clone(&images)));
        if self.done == state {
            return Ok(());
        }
        self.done = None;
        let specs: Vec<Spec> = wanted.specs.iter().map(|spec| images.complete(spec)).collect();
        let chosen = self.choose(&wanted, &specs).await?;
        let seeded: BTreeSet<Grain> = chosen
            .iter()
            .filter(|(_, way)| **way != Way::Image)
            .map(|(one, _)| one.clone())
            .collect();
        let complete = self.seeds.make(&seeded).await?;
        let seeds = complete.into_iter().filter_map(|grain| {
            let source = self.seeds.source(&grain, *chosen.get(&grain)?)?;
            Some((grain, source))
        });
        self.stock.send_replace(Arc::new(Stock { seeds: seeds.collect() }));
        self.seeds.prune(&seeded).await?;
        self.done = state;
        Ok(())
    }

    async fn look_at_images(&self, wanted: &Wanted) -> Result<(), lxd::Error> {
        let images = Images::look(&self.seeds.client, &wanted.aliases()).await?;
        self.images.send_if_modified(|known| {
            let changed = **known != images;
            if changed {
                tracing::info!(images = ?images.0, "instances are made from these images");
                *known = Arc::new(images);
            }
            changed
        });
        Ok(())
    }

    /// The way of each kind of instance whose image is there.
    async fn choose(
        &mut self,
        wanted: &Wanted,
        specs: &[Spec],
    ) -> Result<BTreeMap<Grain, Way>, lxd::Error> {
        let mut chosen = BTreeMap::new();
        self.unmeasured.clear();
        for spec in specs {
            let Some(grain) = Grain::of(spec) else { continue };
            if chosen.contains_key(&grain) {
                continue;
            }
            let Some(place) = Place::of(&self.seeds.client, spec).await? else { continue };
            self.unpack(&place, &grain).await?;
            let way = match wanted.way {
                Some(way) => way,
                None => self.fastest(&place, &grain),
            };
            chosen.insert(grain, way);
        }
        Ok(chosen)
    }

    /// Has an image unpacked in a pool before an instance is wanted of it.
    async fn unpack(&self, place: &Place, grain: &Grain) -> Result<(), lxd::Error> {
        let client = &self.seeds.client;
        if !place.clones() || client.has_unpacked(&place.pool, &grain.fingerprint).await? {
            return Ok(());
        }
        let name = format!("{}-unpack", self.seeds.prefix);
        self.seeds.delete(&name).await?;
        let made = async {
            let new = self.seeds.new_instance(grain, &name).await?;
            let operation = client.create_instance(&new).await?;
            client.wait(&operation, super::seeds::LIMIT).await.map(drop)
        };
        let made = made.await;
        self.seeds.delete(&name).await?;
        made
    }

    /// What was measured decides; until the host has a quiet moment for that, what the driver
    /// promises.
    fn fastest(&mut self, place: &Place, grain: &Grain) -> Way {
        if let Some(measured) = self.kept().of(place) {
            return Way::fastest(&measured.took);
        }
        if !self.unmeasured.iter().any(|(known, _)| known == place) {
            self.unmeasured.push((place.clone(), grain.clone()));
        }
        let is_container = place.instance_type == InstanceType::Container;
        if place.clones() && is_container { Way::Snapshot } else { Way::Image }
    }

    fn kept(&self) -> Kept {
        Kept::read(&self.state_dir).unwrap_or_else(|error| {
            tracing::warn!(%error, "what was measured of this host is not known");
            Kept::default()
        })
    }

    /// Where the last look has failed, so would this.
    fn may_measure(&self) -> bool {
        self.done.is_some() && !self.unmeasured.is_empty()
    }

    /// Measures one place, and has everything chosen anew.
    async fn measure(&mut self) {
        let Some((place, grain)) = self.unmeasured.pop() else { return };
        match self.try_measure(&place, &grain).await {
            Ok(()) => self.done = None,
            // What is promised holds until the daemon starts again.
            Err(error) => tracing::warn!(pool = %place.pool, %error, "not measured"),
        }
    }

    async fn try_measure(&self, place: &Place, grain: &Grain) -> Result<(), lxd::Error> {
        self.seeds.make(&BTreeSet::from([grain.clone()])).await?;
        let took = trial::measure(&self.seeds, grain).await?;
        tracing::info!(pool = %place.pool, driver = %place.driver, ?took, "measured (ms)");
        let mut kept = self.kept();
        kept.add(place, Measured { at: clock::now(), took });
        if let Err(error) = kept.write(&self.state_dir) {
            tracing::warn!(%error, "what was measured is not kept");
        }
        Ok(())
    }
}

/// The pause after so many failures in a row.
fn pause_after(failures: usize) -> Duration {
    PAUSES.get(failures.saturating_sub(1)).or(PAUSES.last()).copied().unwrap_or(EVERY)
}

/// Waits for news of an image; for ever where no news can come.
async fn image_changed(events: &mut Events) {
    loop {
        match events.next().await {
            Some(Event::Lifecycle(event)) if event.action.starts_with("image-") => return,
            Some(Event::Connected | Event::Missed { .. }) => return,
            Some(Event::Lifecycle(_) | Event::Operation(_) | Event::Disconnected { .. }) => {}
            None => return std::future::pending().await,
        }
    }
}

/// Waits until no runner is being made.
async fn until_quiet(manager: &LxdRunnerManager) {
    let mut view = manager.subscribe();
    loop {
        let is_busy =
            view.borrow_and_update().runners.values().any(|one| one.phase <= Phase::Booting);
        let changed = timeout(QUIET, view.changed()).await;
        match changed {
            Err(_) if !is_busy => return,
            Ok(Err(_)) => return std::future::pending().await,
            Ok(Ok(())) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_is_tried_less_often() {
        let seconds = [1, 2, 3, 4, 1000].map(|failures| pause_after(failures).as_secs());
        assert_eq!(seconds, [5, 60, 600, 600, 600]);
    }
}
