//! `[services.proxy]`: how jobs reach the outside.

use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::config::place::{Faults, Placed};
use crate::model::{HostPort, ProxyConfig};

/// Private networks, which a proxy for the outside seldom serves.
const EXCLUDE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
const PORTS: [&str; 2] = ["80", "443"];

/// `[services.proxy]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProxyFragment {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    no_proxy: Option<HostList>,
    use_aproxy: Option<Placed<bool>>,
    aproxy_exclude: Option<Vec<Exclude>>,
    aproxy_ports: Option<Vec<Ports>>,
}

/// An http or https URL of a proxy, without user name and password.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct ProxyUrl(String);

/// Host names, domains and addresses, comma separated.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct HostList(String);

/// An IPv4 address, network or range.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Exclude(String);

/// A port or a range of ports.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Ports(String);

impl ProxyFragment {
    pub(super) fn merge(&mut self, later: Self, file: usize) {
        merge!(self, later: http, https, no_proxy, aproxy_exclude, aproxy_ports);
        merge_placed!(self, later, file: use_aproxy);
    }

    /// Without any proxy the rest means nothing.
    pub(super) fn into_settings(self, faults: &mut Faults) -> Option<ProxyConfig> {
        let use_aproxy = self.use_aproxy.filter(|wish| wish.value);
        if self.http.is_none() && self.https.is_none() {
            if let Some(wish) = use_aproxy {
                let message = "`use_aproxy` needs a proxy: give `http` or `https`";
                faults.add(wish.place, message.to_owned());
            }
            return None;
        }
        let or = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Some(ProxyConfig {
            http: self.http.map(|url| url.0),
            https: self.https.map(|url| url.0),
            no_proxy: self.no_proxy.map(|list| list.0).filter(|list| !list.is_empty()),
            use_aproxy: use_aproxy.is_some(),
            aproxy_exclude: self
                .aproxy_exclude
                .map_or_else(|| or(&EXCLUDE), |all| all.into_iter().map(|one| one.0).collect()),
            aproxy_ports: self
                .aproxy_ports
                .filter(|all| !all.is_empty())
                .map_or_else(|| or(&PORTS), |all| all.into_iter().map(|one| one.0).collect()),
        })
    }
}

impl TryFrom<String> for ProxyUrl {
    type Error = String;

    /// It stands in files of several forms in the guest: what could end a value there is no part of
    /// a URL of a proxy.
    fn try_from(text: String) -> Result<Self, String> {
        let url: Result<http::Uri, _> = text.parse();
        let authority = url.as_ref().ok().and_then(|url| url.authority());
        if authority.is_some_and(|all| all.as_str().contains('@')) {
            return Err(
                "a proxy's URL must not hold a user name or password: guests are given it \
                        as user-data, which every job can read"
                    .to_owned(),
            );
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
        if url.is_ok() && HostPort::of_url(&text).is_some() && text.chars().all(plain) {
            return Ok(Self(text.trim_end_matches('/').to_owned()));
        }
        Err("this is no http or https URL of a proxy, like \"http://proxy.example:3128\""
            .to_owned())
    }
}

impl TryFrom<String> for HostList {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/[]*".contains(c);
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.collect();
        if parts.iter().all(|part| part.chars().all(plain)) {
            return Ok(Self(parts.join(",")));
        }
        Err(format!("{text:?} is no list of hosts: write \"example.org,.internal,10.0.0.0/8\""))
    }
}

impl TryFrom<String> for Exclude {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = |text: &str| text.parse::<Ipv4Addr>().ok();
        let known = if let Some((net, bits)) = text.split_once('/') {
            address(net).is_some() && bits.parse::<u8>().is_ok_and(|bits| (1..=32).contains(&bits))
        } else if let Some((first, last)) = text.split_once('-') {
            let ends = address(first).zip(address(last));
            ends.is_some_and(|(first, last)| first <= last)
        } else {
            address(&text).is_some()
        };
        if known {
            return Ok(Self(text));
        }
        Err(format!(
            "{text:?} is no IPv4 address, network or range: write \"10.0.0.1\", \"10.0.0.0/8\" or \
             \"10.0.0.1-10.0.0.9\""
        ))
    }
}

impl TryFrom<String> for Ports {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let known = match text.split_once('-') {
            None => port(&text).is_some(),
            Some((first, last)) => {
                port(first).zip(port(last)).is_some_and(|(first, last)| first <= last)
            }
        };
        // `parse` takes a sign, which nftables does not.
        if known && !text.contains('+') {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no port or range of ports: write \"443\" or \"8000-8010\""))
    }
}
