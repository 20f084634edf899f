//! Keeps what guests may reach beyond the public Internet (`docs/isolation.md`).
//!
//! ```text
//! ACL larm           the public Internet; `larm setup` makes it and gives it to its bridge
//! ACL larm-PREFIX    this larm's holes and denials; added to the bridges that have the first one
//! ```
//!
//! Bridges without the first one are never touched. Several larms share a bridge: each changes its
//! own entry only, and a change that another one has overtaken is made again.

mod acls;
mod host;
mod needs;
mod resolve;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::Settings;
use crate::lxd::{self, Client, Network};
use crate::model::isolation::{Block, Endpoint, Resolved, rules};

pub use acls::{
    ACLS, BASE, DEFAULT_ACTIONS, MARK, MARK_VALUE, acls_of, base_acl, is_isolated, own_name,
    put_acl,
};
pub use host::host_addresses;
pub use needs::{needs, of_url};
pub use resolve::Resolver;

/// How often names are looked up again.
const EVERY: Duration = Duration::from_hours(1);
/// The pauses between tries, of which the last one is repeated.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(10),
];
/// How long the start of the farm waits for the first try.
const FIRST: Duration = Duration::from_secs(10);

/// What guests of one larm may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whether anything is done at all.
    pub enforce: bool,
    /// What its instances' names begin with.
    pub prefix: String,
    /// The profiles whose networks they are on.
    pub profiles: BTreeSet<String>,
    /// What they need.
    pub needs: Vec<Endpoint>,
    /// What they may not reach in any case.
    pub deny: Vec<Block>,
}

impl Wanted {
    /// What a configuration asks for.
    pub fn of(settings: &Settings) -> Self {
        let pools = settings.pools.iter().map(|pool| &pool.spec);
        let profiles = pools.chain([&settings.runner.spec]).flat_map(|spec| spec.profiles.clone());
        Self {
            enforce: settings.isolation.enforce,
            prefix: settings.name_prefix.to_string(),
            profiles: profiles.collect(),
            needs: needs(settings),
            deny: settings.isolation.deny.clone(),
        }
    }
}

/// Keeps the rules of one larm.
pub(super) struct Keeper {
    client: Client,
    wanted: watch::Receiver<Arc<Wanted>>,
    resolver: Resolver,
    ready: bool,
    /// The isolated bridges that the log has told of.
    told: Vec<String>,
}

impl Keeper {
    pub(super) fn new(client: Client, wanted: watch::Receiver<Arc<Wanted>>) -> Self {
        Self { client, wanted, resolver: Resolver::default(), ready: false, told: Vec::new() }
    }

    /// Tries it once before there are guests, but not for long: LXD need not be there.
    pub(super) async fn prepare(&mut self) {
        self.ready = timeout(FIRST, self.look()).await.unwrap_or_default();
    }

    /// Never ends.
    pub(super) async fn keep(mut self) {
        let mut pauses = PAUSES.into_iter();
        let mut pause = Duration::ZERO;
        loop {
            if self.ready {
                pauses = PAUSES.into_iter();
                pause = EVERY;
            } else {
                pause = pauses.next().unwrap_or(pause);
            }
            tokio::select! {
                () = sleep(pause) => {}
                changed = self.wanted.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
            self.ready = self.look().await;
        }
    }

    /// Makes it so; whether that went well.
    async fn look(&mut self) -> bool {
        let wanted = Arc::clone(&self.wanted.borrow_and_update());
        if !wanted.enforce {
            return true;
        }
        match apply(&self.client, &wanted, &mut self.resolver).await {
            Ok(bridges) => {
                if bridges != self.told {
                    tracing::info!(?bridges, "guests on these bridges are isolated");
                    self.told = bridges;
                }
                self.resolver.knows_all()
            }
            Err(error) => {
                tracing::warn!(
                    hint = error.hint(),
                    "guests may reach too much or too little: {error}"
                );
                false
            }
        }
    }
}

/// Makes the rules and gives them to each isolated bridge of the profiles; returns those bridges.
pub async fn apply(
    client: &Client,
    wanted: &Wanted,
    resolver: &mut Resolver,
) -> Result<Vec<String>, lxd::Error> {
    let bridges = bridges(client, &wanted.profiles).await?;
    let isolated: Vec<String> =
        bridges.into_iter().filter(is_isolated).map(|bridge| bridge.name).collect();
    if isolated.is_empty() {
        return Ok(isolated);
    }
    let host = host_addresses();
    acls::refresh(client, &base_acl(&host)).await?;
    let needed: Vec<Resolved> = resolver.resolve(&wanted.needs).await;
    let own = acls::own_acl(&wanted.prefix, &rules(&needed, &wanted.deny, &host));
    put_acl(client, &own).await?;
    for bridge in &isolated {
        acls::attach(client, bridge, &own.name).await?;
    }
    Ok(isolated)
}

/// Takes the rules of one larm away, whose guests are gone.
pub async fn remove(
    client: &Client,
    prefix: &str,
    profiles: &BTreeSet<String>,
) -> Result<(), lxd::Error> {
    let own = own_name(prefix);
    for bridge in bridges(client, profiles).await? {
        acls::detach(client, &bridge.name, &own).await?;
    }
    match client.delete_network_acl(&own).await {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

/// The managed networks that profiles give to instances.
pub async fn bridges(
    client: &Client,
    profiles: &BTreeSet<String>,
) -> Result<Vec<Network>, lxd::Error> {
    let mut names = BTreeSet::new();
    for profile in profiles {
        let Some(profile) = client.profile(profile).await? else { continue };
        let mut devices = profile.devices;
        names.extend(devices.values_mut().filter_map(|device| device.remove("network")));
    }
    let mut found = Vec::new();
    for name in names {
        found.extend(client.network(&name).await?.filter(|network| network.managed));
    }
    Ok(found)
}
