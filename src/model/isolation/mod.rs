//! What guests may reach: the public Internet and what is named, nothing else.

mod block;
mod endpoint;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

pub use block::{Block, BlockError};
pub use endpoint::{Endpoint, EndpointError, Host, Ports, Transport};

/// What is not the public Internet (IANA, "IPv4 Special-Purpose Address Registry"): this network,
/// private, shared (carriers' NAT), loopback, link-local with the metadata services of clouds,
/// protocol assignments, documentation, relays, benchmarks, multicast, reserved and broadcast.
const NOT_PUBLIC: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Azure's services for its own machines answer here.
    ([168, 63, 129, 16], 32),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// One rule of a firewall. What is rejected is so whatever else is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Whether it allows; else it rejects.
    pub allow: bool,
    /// Where to; never empty.
    pub destination: Vec<Block>,
    /// Which ports there; all traffic without it.
    pub ports: Option<Ports>,
    /// What it is for.
    pub reason: String,
}

/// An endpoint, and the addresses that its name stood for when it was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What was asked for.
    pub endpoint: Endpoint,
    /// All its addresses.
    pub addresses: Vec<Block>,
}

/// The public Internet, without the host's own addresses: in order, in subnets.
pub fn public(host: &[Ipv4Addr]) -> Vec<Block> {
    let special =
        NOT_PUBLIC.iter().filter_map(|(net, length)| Block::subnet((*net).into(), *length));
    let own = host.iter().map(|address| Block::from(*address));
    Block::ALL.without(&special.chain(own).collect::<Vec<_>>())
}

/// The one rule that every guest gets.
pub fn base(host: &[Ipv4Addr]) -> Rule {
    Rule {
        allow: true,
        destination: public(host),
        ports: None,
        reason: "the public Internet".to_owned(),
    }
}

/// The rules beyond [`base`]: holes for what is needed and not public, and what is denied. Each
/// rule is there once, in an order that depends on nothing else.
pub fn rules(needed: &[Resolved], denied: &[Block], host: &[Ipv4Addr]) -> Vec<Rule> {
    let public = public(host);
    let mut rules: BTreeSet<Rule> = needed.iter().filter_map(|one| hole(one, &public)).collect();
    if !denied.is_empty() {
        let mut destination = denied.to_vec();
        destination.sort_unstable();
        destination.dedup();
        let reason = "denied by the configuration".to_owned();
        rules.insert(Rule { allow: false, destination, ports: None, reason });
    }
    rules.into_iter().collect()
}

/// What of an endpoint's addresses is not public anyhow.
fn hole(needed: &Resolved, public: &[Block]) -> Option<Rule> {
    let mut destination: Vec<Block> =
        needed.addresses.iter().flat_map(|block| block.without(public)).collect();
    destination.sort_unstable();
    destination.dedup();
    let reason = needed.endpoint.to_string();
    let ports = needed.endpoint.ports;
    (!destination.is_empty()).then_some(Rule { allow: true, destination, ports, reason })
}

#[cfg(test)]
mod tests;
