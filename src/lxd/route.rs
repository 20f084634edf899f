//! The path and query of a request, encoded.

use std::fmt::Write as _;

/// A path below `/1.0`, with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    path: String,
    query: String,
}

impl Route {
    /// `/1.0` followed by these segments, each encoded.
    pub(super) fn new(segments: &[&str]) -> Self {
        let mut path = String::from("/1.0");
        for segment in segments {
            path.push('/');
            encode(segment, &mut path);
        }
        Self { path, query: String::new() }
    }

    /// A path that LXD has returned, like `/1.0/operations/UUID?project=default`; `None` if it is
    /// not one. What is returned is already encoded.
    pub(super) fn returned(url: &str) -> Option<Self> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let inside = path.starts_with("/1.0/") && !path.split('/').any(|part| part == "..");
        (inside && plain(path) && plain(query))
            .then(|| Self { path: path.to_owned(), query: query.to_owned() })
    }

    /// Appends a segment to the path, before the query.
    #[must_use]
    pub(super) fn join(mut self, segment: &str) -> Self {
        self.path.push('/');
        encode(segment, &mut self.path);
        self
    }

    /// Appends a query parameter.
    #[must_use]
    pub(super) fn query(mut self, key: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        encode(key, &mut self.query);
        self.query.push('=');
        encode(value, &mut self.query);
        self
    }

    /// Adds the project, unless the query names one.
    #[must_use]
    pub(super) fn in_project(self, project: &str) -> Self {
        let named = self.query.split('&').any(|pair| pair.starts_with("project="));
        if named { self } else { self.query("project", project) }
    }

    /// Path and query as they go over the wire.
    pub(super) fn to_wire(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(into, "%{byte:02X}").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn segments_and_values_are_encoded() {
        let route = Route::new(&["instances", "a/b", "files"]).query("path", "/etc/x y&z");
        assert_eq!(route.to_wire(), "/1.0/instances/a%2Fb/files?path=%2Fetc%2Fx%20y%26z");
    }

    #[test]
    fn wait_goes_before_the_query() {
        let route = Route::returned("/1.0/operations/u?project=p").unwrap();
        let wire = route.join("wait").in_project("other").query("timeout", "5").to_wire();
        assert_eq!(wire, "/1.0/operations/u/wait?project=p&timeout=5");
    }

    #[test]
    fn only_our_own_paths_are_taken_back() {
        for url in ["http://evil/1.0/x", "/2.0/x", "/1.0/../x", "/1.0/a b", "/1.0/x\r\nHost: y", ""]
        {
            assert_eq!(Route::returned(url), None, "{url}");
        }
    }
}
