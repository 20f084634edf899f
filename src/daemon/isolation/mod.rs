//! Keeps what guests may reach beyond the public Internet (`docs/isolation.md`).
//!
//! ```text
//! ACL larm           the public Internet; `larm setup` makes it and gives it to its bridge
//! ACL larm-PREFIX    this larm's holes and denials; added to the bridges that have the first one;
//!                    larmHASH-PREFIX where its LXD project is not `larm`
//! ```
//!
//! Bridges without the first one are never touched. Several larms share a bridge: each changes its
//! own entry only, and a change that another one has overtaken is made again.

mod acls;
mod host;
mod keeper;
mod needs;
mod networks;
mod resolve;

use std::collections::BTreeSet;
use std::io;

use crate::config::Settings;
use crate::lxd::{self, Client};
use crate::model::isolation::{Block, Endpoint, Resolved, rules};

pub use acls::{
    ACLS, BASE, DEFAULT_ACTIONS, MARK, MARK_VALUE, acls_of, base_acl, is_isolated, own_name,
    put_acl,
};
pub use host::host_addresses;
pub(super) use keeper::Keeper;
pub use needs::{needs, of_url};
pub use networks::{Card, Networks};
pub use resolve::Resolver;

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

/// What [`apply`] has found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The isolated bridges.
    pub isolated: Vec<String>,
    /// The networks, and the network cards on none of LXD's, whose guests are not isolated.
    pub open: Vec<String>,
    /// Whether anything was not as it is to be.
    pub changed: bool,
}

/// Why the rules could not be made what they are to be. Those that are there stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// LXD refused or did not answer.
    #[error(transparent)]
    Lxd(#[from] lxd::Error),
    /// What guests must not reach is not known.
    #[error("cannot tell this host's own addresses: {0}")]
    Host(#[source] io::Error),
}

impl Error {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Lxd(error) => error.hint(),
            Self::Host(_) => Some("larm reads them in /proc/net/fib_trie, 127.0.0.1 among them"),
        }
    }
}

/// Makes the rules and gives them to each isolated bridge of the profiles.
pub async fn apply(
    client: &Client,
    wanted: &Wanted,
    resolver: &mut Resolver,
) -> Result<Applied, Error> {
    let networks = Networks::of(client, &wanted.profiles).await?;
    let (isolated, open): (Vec<_>, Vec<_>) =
        networks.managed.iter().partition(|one| is_isolated(one));
    let open = open.iter().map(|one| one.name.clone());
    let loose = networks.loose.iter().map(|card| card.on.clone());
    let mut applied = Applied {
        isolated: isolated.iter().map(|one| one.name.clone()).collect(),
        open: open.chain(loose).collect(),
        changed: false,
    };
    if applied.isolated.is_empty() {
        return Ok(applied);
    }
    let host = host_addresses().map_err(Error::Host)?;
    applied.changed |= acls::refresh(client, &base_acl(&host)).await?;
    let needed: Vec<Resolved> = resolver.resolve(&wanted.needs).await;
    let name = own_name(client.project(), &wanted.prefix);
    let own = acls::own_acl(&name, &wanted.prefix, &rules(&needed, &wanted.deny, &host));
    applied.changed |= put_acl(client, &own).await?;
    for bridge in &applied.isolated {
        applied.changed |= acls::attach(client, bridge, &own.name).await?;
    }
    Ok(applied)
}

/// Takes the rules of one larm away, whose guests are gone.
pub async fn remove(
    client: &Client,
    prefix: &str,
    profiles: &BTreeSet<String>,
) -> Result<(), lxd::Error> {
    let own = own_name(client.project(), prefix);
    detach(client, &own, profiles).await?;
    let mut tries = 1..acls::TRIES;
    loop {
        match client.delete_network_acl(&own).await {
            Err(error) if error.is_not_found() => return Ok(()),
            // Another larm's change of a bridge, begun before ours, has brought it back.
            Err(_) if tries.next().is_some() && detach(client, &own, profiles).await? => {}
            other => return other,
        }
    }
}

/// Takes an ACL off all bridges of the profiles. Returns whether it was on any.
async fn detach(
    client: &Client,
    acl: &str,
    profiles: &BTreeSet<String>,
) -> Result<bool, lxd::Error> {
    let mut was_there = false;
    for bridge in Networks::of(client, profiles).await?.managed {
        was_there |= acls::detach(client, &bridge.name, acl).await?;
    }
    Ok(was_there)
}
