//! A host and a TCP port, as a URL names them.

use std::fmt;

use serde::Serialize;

/// A host and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct HostPort {
    /// A host name or an IP address, the latter without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Where an http or https URL leads; `None` if it is none.
    pub fn of_url(url: &str) -> Option<Self> {
        let (rest, default) = match url.strip_prefix("https://") {
            Some(rest) => (rest, 443),
            None => (url.strip_prefix("http://")?, 80),
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(inside) => {
                let (host, rest) = inside.split_once(']')?;
                (host, rest.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => default,
        };
        Some(Self { host: host.to_owned(), port }).filter(|one| !one.host.is_empty())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    #[test]
    fn a_url_leads_to_a_host_and_a_port() {
        for (url, endpoint) in [
            ("http://proxy.example:3128", Some("proxy.example:3128")),
            ("https://mirror.example/v2/", Some("mirror.example:443")),
            ("http://10.0.0.1?x", Some("10.0.0.1:80")),
            ("http://[fd00::1]:8080/", Some("[fd00::1]:8080")),
            ("https://[fd00::1]", Some("[fd00::1]:443")),
            ("ftp://a", None),
            ("http://", None),
            ("http://a:70000", None),
        ] {
            assert_eq!(HostPort::of_url(url).map(|one| one.to_string()).as_deref(), endpoint);
        }
    }

    #[test]
    fn only_traffic_that_is_redirected_meets_aproxy() {
        let proxy =
            ProxyConfig { http: Some("http://10.0.0.1:3128".into()), ..ProxyConfig::default() };
        assert_eq!(proxy.aproxy_endpoint(), None);
        let redirected = ProxyConfig { use_aproxy: true, ..proxy };
        assert_eq!(redirected.aproxy_endpoint().unwrap().to_string(), "10.0.0.1:3128");
    }
}
