//! From the address that people open in a browser to the one that programs use.
//!
//! github.com and `*.ghe.com` have their API at `https://api.HOST`, a GitHub Enterprise Server
//! below `https://HOST/api/v3` (GitHub documentation, "Getting started with the REST API").

use http::Uri;

/// Where a GitHub is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// For people and runners, without a slash at the end.
    pub(super) web: String,
    /// For API calls, without a slash at the end.
    pub(super) api: String,
    /// Whether it is a GitHub Enterprise Server, which lacks what is new.
    pub(super) server: bool,
}

impl Address {
    /// Reads a web address, and the API address where one is given that overrides it.
    pub(super) fn new(url: &str, api_url: Option<&str>) -> Result<Self, String> {
        let (web, host) = checked(url)?;
        let plain = host.strip_prefix("www.").unwrap_or(&host);
        let cloud = plain == "github.com" || plain.ends_with(".ghe.com");
        let api = match api_url {
            Some(given) => checked(given)?.0,
            None if cloud => format!("https://api.{plain}"),
            None => format!("{web}/api/v3"),
        };
        let web = if cloud { format!("https://{plain}") } else { web };
        Ok(Self { web, api, server: !cloud })
    }
}

/// An address without a slash at its end, and its host.
fn checked(url: &str) -> Result<(String, String), String> {
    let wrong = |why: &str| Err(format!("\"{url}\" {why}: write https://HOST"));
    let trimmed = url.trim_end_matches('/');
    let Ok(uri) = trimmed.parse::<Uri>() else { return wrong("is no address") };
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return wrong("does not begin with https://");
    }
    let Some(authority) = uri.authority() else { return wrong("has no host") };
    if authority.as_str().contains('@') {
        return Err("an address must not hold a user name or a password".to_owned());
    }
    if uri.query().is_some() {
        return wrong("has a query");
    }
    Ok((trimmed.to_owned(), authority.host().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_github_has_its_api_address() {
        for (url, web, api, server) in [
            ("https://github.com", "https://github.com", "https://api.github.com", false),
            ("https://www.GitHub.com/", "https://github.com", "https://api.github.com", false),
            ("https://acme.ghe.com", "https://acme.ghe.com", "https://api.acme.ghe.com", false),
            (
                "https://ghes.acme.com",
                "https://ghes.acme.com",
                "https://ghes.acme.com/api/v3",
                true,
            ),
            ("http://10.0.0.1:8080/", "http://10.0.0.1:8080", "http://10.0.0.1:8080/api/v3", true),
        ] {
            let address = Address::new(url, None).unwrap();
            assert_eq!((&*address.web, &*address.api, address.server), (web, api, server));
        }
        let given = Address::new("https://github.com", Some("http://127.0.0.1:1/api/v3/")).unwrap();
        assert_eq!(given.api, "http://127.0.0.1:1/api/v3");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for wrong in ["github.com", "", "ftp://x", "https://", "https://h?x=1", "http://a b"] {
            assert!(Address::new(wrong, None).is_err(), "{wrong}");
        }
        let refused = Address::new("https://me:hunter2@github.com", None).unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
