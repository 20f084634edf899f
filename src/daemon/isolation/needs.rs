//! What guests need for what the configuration says: the one place that knows.

use crate::config::Settings;
use crate::model::isolation::Endpoint;

/// Everything that guests must reach. What is public anyhow does no harm here.
pub fn needs(settings: &Settings) -> Vec<Endpoint> {
    let urls = settings.connections.iter().map(|connection| connection.url.as_str());
    let services = urls.filter_map(of_url);
    let mut needs: Vec<Endpoint> = services.chain(settings.isolation.allow.clone()).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// The service behind a URL; none where it is no URL of a host, or one with an IPv6 address.
pub fn of_url(url: &str) -> Option<Endpoint> {
    let url: http::Uri = url.parse().ok()?;
    let usual = if url.scheme_str()? == "http" { 80 } else { 443 };
    let port = url.port_u16().unwrap_or(usual);
    Endpoint::tcp(url.host()?, port).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_empty_configuration_needs_github() {
        let needs = needs(&Settings::default());
        assert_eq!(needs, ["github.com:443".parse().unwrap()]);
    }
}
