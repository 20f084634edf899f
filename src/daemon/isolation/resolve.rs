//! Names to addresses, by the host's own resolver.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::model::isolation::{Block, Endpoint, Host, Resolved};

/// How long one name may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Looks names up, and remembers what they stood for: where the resolver is away, holes stay.
#[derive(Debug, Default)]
pub struct Resolver {
    known: BTreeMap<String, Known>,
    failed: bool,
}

/// What a name stood for. Guests may have the addresses of before still, and a name may stand for
/// some of its addresses at a time.
#[derive(Debug, Default)]
struct Known {
    now: Vec<Block>,
    before: Vec<Block>,
}

impl Resolver {
    /// Whether the last time all names were found.
    pub fn knows_all(&self) -> bool {
        !self.failed
    }

    /// All endpoints with their addresses.
    pub async fn resolve(&mut self, endpoints: &[Endpoint]) -> Vec<Resolved> {
        self.failed = false;
        let names = endpoints.iter().filter_map(|endpoint| match &endpoint.host {
            Host::Name(name) => Some(name.as_str()),
            Host::Addresses(_) => None,
        });
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        let found = join_all(names.into_iter().map(async |name| (name, look_up(name).await))).await;
        for (name, addresses) in found {
            match addresses {
                Ok(addresses) => self.known.entry(name.to_owned()).or_default().learn(addresses),
                Err(error) => {
                    self.failed = true;
                    tracing::warn!(name, %error, "no address is known, or that of before is kept");
                }
            }
        }
        endpoints.iter().map(|endpoint| self.resolved(endpoint)).collect()
    }

    fn resolved(&self, endpoint: &Endpoint) -> Resolved {
        let addresses = match &endpoint.host {
            Host::Addresses(block) => vec![*block],
            Host::Name(name) => self.known.get(name).map(Known::all).unwrap_or_default(),
        };
        Resolved { endpoint: endpoint.clone(), addresses }
    }
}

impl Known {
    fn learn(&mut self, addresses: Vec<Block>) {
        self.before = std::mem::replace(&mut self.now, addresses);
    }

    /// Each once, in an order that depends on nothing else.
    fn all(&self) -> Vec<Block> {
        let all: BTreeSet<Block> = self.now.iter().chain(&self.before).copied().collect();
        all.into_iter().collect()
    }
}

async fn look_up(name: &str) -> io::Result<Vec<Block>> {
    // The port is for the call's sake.
    let found = timeout(LIMIT, lookup_host((name, 0))).await;
    let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(found.filter_map(ipv4).map(Block::from).collect())
}

fn ipv4(address: SocketAddr) -> Option<Ipv4Addr> {
    match address {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_look_up_and_names_are_remembered() {
        let mut resolver = Resolver::default();
        let block: Block = "10.9.8.7".parse().unwrap();
        resolver.known.entry("no-such-name.invalid".to_owned()).or_default().learn(vec![block]);
        let endpoints = ["10.0.0.0/8", "localhost:80", "no-such-name.invalid:1"]
            .map(|one| one.parse().unwrap());
        let found = resolver.resolve(&endpoints).await;
        let addresses: Vec<_> = found.into_iter().map(|one| one.addresses).collect();
        assert_eq!(addresses[0], ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(addresses[1], ["127.0.0.1".parse().unwrap()]);
        assert_eq!(addresses[2], [block]);
        assert!(!resolver.knows_all());
    }

    #[test]
    fn the_addresses_of_the_look_before_are_kept() {
        let [one, two, three]: [Block; 3] =
            ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|one| one.parse().unwrap());
        let mut known = Known::default();
        known.learn(vec![two, one]);
        assert_eq!(known.all(), [one, two]);
        known.learn(vec![three]);
        assert_eq!(known.all(), [one, two, three]);
        known.learn(vec![three]);
        assert_eq!(known.all(), [three]);
    }
}
