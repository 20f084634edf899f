//! What runners are made from: the configuration's pools, with what their guests are given and the
//! images that their aliases name now.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::reload::farm_settings;
use super::stock::{self, Images};
use crate::config::Settings;
use crate::farm::{Farm, FarmSettings};
use crate::lxd::Client;
use crate::manager::{GuestsReceiver, LxdRunnerManager};
use crate::model::{Pool, Spec};

/// What completes the configuration's specs.
#[derive(Debug, Clone)]
pub(super) struct Ingredients {
    pub(super) guests: GuestsReceiver,
    pub(super) images: watch::Receiver<Arc<Images>>,
}

/// Tells everybody of the pools, whenever anything of them changes.
pub(super) struct Publisher {
    pub(super) ingredients: Ingredients,
    pub(super) manager: LxdRunnerManager,
    pub(super) farm: Farm,
    pub(super) default_spec: watch::Sender<Spec>,
    /// The configuration that holds.
    pub(super) settings: Mutex<Settings>,
}

/// What is there before the first runner is made.
pub(super) struct Stocked {
    pub(super) keeper: stock::Keeper,
    pub(super) wanted: watch::Sender<Arc<stock::Wanted>>,
    pub(super) ingredients: Ingredients,
    /// The storage driver of the first kind of instance, if LXD tells.
    pub(super) driver: Option<String>,
}

impl Stocked {
    pub(super) async fn prepare(
        settings: &Settings,
        client: &Client,
        guests: GuestsReceiver,
    ) -> Self {
        let (sender, wanted) = watch::channel(stock::Wanted::of(settings));
        let (prefix, state_dir) = (settings.name_prefix.clone(), settings.state_dir.clone());
        let mut keeper = stock::Keeper::new(client.clone(), prefix, state_dir, wanted);
        let driver = keeper.prepare().await;
        let ingredients = Ingredients { guests, images: keeper.images() };
        Self { keeper, wanted: sender, ingredients, driver }
    }
}

impl Ingredients {
    pub(super) fn spec(&self, spec: &Spec) -> Spec {
        let guest = self.guests.borrow().digest().to_owned();
        Spec { guest, ..self.images.borrow().complete(spec) }
    }

    pub(super) fn pools(&self, settings: &Settings) -> Vec<Arc<Pool>> {
        let complete = |pool: &Pool| Arc::new(Pool { spec: self.spec(&pool.spec), ..pool.clone() });
        settings.pools.iter().map(complete).collect()
    }

    pub(super) fn farm_settings(&self, settings: &Settings) -> FarmSettings {
        FarmSettings { pools: self.pools(settings), ..farm_settings(settings) }
    }
}

impl Publisher {
    /// Also returns what a runner is made from where nothing is said.
    pub(super) fn new(
        settings: &Settings,
        ingredients: Ingredients,
        manager: &LxdRunnerManager,
        farm: &Farm,
    ) -> (Arc<Self>, watch::Receiver<Spec>) {
        let (default_spec, given) = watch::channel(ingredients.spec(&settings.runner.spec));
        let publisher = Self {
            ingredients,
            manager: manager.clone(),
            farm: farm.clone(),
            default_spec,
            settings: settings.clone().into(),
        };
        (Arc::new(publisher), given)
    }

    /// Takes another configuration.
    pub(super) async fn take(&self, settings: &Settings) {
        let mut current = self.settings.lock().await;
        *current = settings.clone();
        self.publish(&current).await;
    }

    /// Follows the images. Never ends.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut images = self.ingredients.images.clone();
        while images.changed().await.is_ok() {
            self.publish(&*self.settings.lock().await).await;
        }
        std::future::pending::<()>().await;
    }

    async fn publish(&self, settings: &Settings) {
        self.default_spec.send_replace(self.ingredients.spec(&settings.runner.spec));
        let farm = self.ingredients.farm_settings(settings);
        if let Err(error) = self.manager.set_pools(farm.pools.clone()).await {
            tracing::warn!(%error, "the pools' deadlines were not taken");
        }
        self.farm.set(farm).await;
    }
}
