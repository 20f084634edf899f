//! What guests need for what the configuration says: the one place that knows.

use crate::config::{ServiceSettings, Settings};
use crate::model::HostPort;
use crate::model::isolation::Endpoint;

/// Everything that guests must reach. What is public anyhow does no harm here.
pub fn needs(settings: &Settings) -> Vec<Endpoint> {
    let github = settings.connections.iter().map(|connection| connection.url.as_str());
    let urls = github.chain(urls(&settings.services)).filter_map(of_url);
    let tmate = settings.services.ssh_debug.iter();
    let tmate = tmate.filter_map(|one| Endpoint::tcp(&one.host.to_string(), one.port).ok());
    let mut needs: Vec<Endpoint> =
        urls.chain(tmate).chain(settings.isolation.allow.clone()).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Where the services of guests are.
fn urls(services: &ServiceSettings) -> impl Iterator<Item = &str> {
    let proxy = services.proxy.iter().flat_map(|proxy| [&proxy.http, &proxy.https]).flatten();
    let policy = services.repo_policy.iter().map(|policy| &policy.url);
    proxy.chain(&services.dockerhub_mirror).chain(policy).map(String::as_str)
}

/// The service behind a URL; none where it is no URL of a host, or one with an IPv6 address.
pub fn of_url(url: &str) -> Option<Endpoint> {
    let HostPort { host, port } = HostPort::of_url(url)?;
    Endpoint::tcp(&host, port).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ProxyConfig, SshDebugConnection};

    #[test]
    fn a_url_names_a_port() {
        let shown = |url: &str| of_url(url).map(|endpoint| endpoint.to_string());
        assert_eq!(shown("https://github.com").unwrap(), "github.com:443/tcp");
        assert_eq!(shown("http://10.78.1.1:4321/x").unwrap(), "10.78.1.1:4321/tcp");
        assert_eq!(shown("http://mirror.lan").unwrap(), "mirror.lan:80/tcp");
        assert_eq!(shown("http://[::1]:80"), None);
        assert_eq!(shown("nonsense"), None);
    }

    #[test]
    fn every_service_of_guests_is_reached() {
        let mut settings = Settings::default();
        settings.services.proxy = Some(ProxyConfig {
            http: Some("http://10.0.0.1:3128".into()),
            https: Some("http://10.0.0.1:3128".into()),
            ..ProxyConfig::default()
        });
        settings.services.dockerhub_mirror = Some("https://mirror.example".into());
        settings.services.ssh_debug = vec![SshDebugConnection {
            host: "10.0.0.9".parse().unwrap(),
            port: 10022,
            rsa_fingerprint: "SHA256:a".into(),
            ed25519_fingerprint: "SHA256:b".into(),
        }];
        settings.isolation.allow = vec!["10.5.0.0/16".parse().unwrap()];
        let needs = needs(&settings);
        for wanted in ["10.0.0.1:3128", "10.0.0.9:10022", "mirror.example:443", "10.5.0.0/16"] {
            assert!(needs.contains(&wanted.parse().unwrap()), "{wanted} is not in {needs:?}");
        }
        assert_eq!(needs.len(), 5, "{needs:?}");
    }

    #[test]
    fn an_empty_configuration_needs_github() {
        let needs = needs(&Settings::default());
        assert_eq!(needs, ["github.com:443".parse().unwrap()]);
    }
}
