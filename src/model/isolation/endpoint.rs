//! Services that guests may need: an address or a name, with a port or without.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::block::Block;

/// Something that guests may reach: `10.1.2.3:5000/tcp`, `10.5.0.0/16`, `registry.lan:443`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// Which ports there; all traffic without it.
    pub ports: Option<Ports>,
}

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// Its addresses.
    Addresses(Block),
    /// A name, whose addresses are looked up.
    Name(String),
}

/// Ports of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// The protocol.
    pub transport: Transport,
    /// The first one.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The host is neither IPv4 nor a name.
    #[error(
        "\"{0}\" is no endpoint: write \"10.1.2.3:5000/tcp\", \"10.5.0.0/16\" or \
         \"registry.lan:443\" (guests have no IPv6)"
    )]
    Host(String),
    /// The port is none.
    #[error("\"{0}\" has no port from 1 to 65535, or no range of them like 8000-8010")]
    Port(String),
}

impl Endpoint {
    /// One TCP port of a host.
    ///
    /// # Errors
    /// If the host is neither an IPv4 address nor a name, or the port is 0.
    pub fn tcp(host: &str, port: u16) -> Result<Self, EndpointError> {
        format!("{host}:{port}/tcp").parse()
    }
}

impl Transport {
    /// In LXD's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Ports {
    /// The numbers, as LXD takes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, .. } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Addresses(block) => write!(f, "{block}")?,
            Host::Name(name) => write!(f, "{name}")?,
        }
        match &self.ports {
            Some(ports) => write!(f, ":{ports}/{}", ports.transport.as_str()),
            None => Ok(()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (rest, transport) = match (text.strip_suffix("/tcp"), text.strip_suffix("/udp")) {
            (Some(rest), _) => (rest, Some(Transport::Tcp)),
            (None, Some(rest)) => (rest, Some(Transport::Udp)),
            (None, None) => (text, None),
        };
        let wrong = || EndpointError::Host(text.to_owned());
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None if transport.is_some() => return Err(EndpointError::Port(text.to_owned())),
            None => (rest, None),
        };
        let host = host_of(host).ok_or_else(wrong)?;
        let transport = transport.unwrap_or(Transport::Tcp);
        let port = port.map(|port| {
            ports_of(port, transport).ok_or_else(|| EndpointError::Port(text.to_owned()))
        });
        Ok(Self { host, ports: port.transpose()? })
    }
}

fn host_of(text: &str) -> Option<Host> {
    if let Ok(block) = text.parse() {
        return Some(Host::Addresses(block));
    }
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    // What ends in a number is an address that is written wrongly.
    let number = text.rsplit('.').next().is_some_and(|end| end.bytes().all(|b| b.is_ascii_digit()));
    let name = text.len() <= 253 && text.split('.').all(label) && !number;
    name.then(|| Host::Name(text.to_ascii_lowercase()))
}

fn ports_of(text: &str, transport: Transport) -> Option<Ports> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ports = Ports { transport, first: port(first)?, last: port(last)? };
    (ports.first <= ports.last).then_some(ports)
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
