//! A connection: one account at one GitHub.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::address::Address;
use super::budget::{Budget, Budgets};
use super::credentials::Credentials;
use super::error::{GitHubError, GitHubErrorKind};
use super::etags::Etags;
use super::observer::Observer;
use super::request::{Call, Need};
use super::wire::Wire;
use crate::clock;

/// GitHub wants requests that change something one after the other (GitHub documentation, "Best
/// practices for using the REST API").
const WRITES: usize = 1;
/// Of the hundred requests that GitHub takes at once from one account.
const READS: usize = 8;

/// Where the time comes from.
pub(super) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One account at one GitHub. Cheap to clone; clones share tokens, budget and what is kept.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    observer: Option<Arc<dyn Observer>>,
}

struct Shared {
    name: String,
    address: Address,
    wire: Wire,
    credentials: Credentials,
    budgets: Budgets,
    etags: Etags,
    groups: Mutex<BTreeMap<(String, String), u64>>,
    writes: Semaphore,
    reads: Semaphore,
    now: Now,
}

/// What a connection is made from.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// Its name in the configuration.
    pub name: String,
    /// The address for people: `https://github.com`, `https://acme.ghe.com`, that of a server.
    pub url: String,
    /// The address of the API where it does not follow from `url`.
    pub api_url: Option<String>,
    /// Who larm is there.
    pub auth: Auth,
    /// For each request. What may be repeated is tried up to three times.
    pub timeout: Duration,
}

/// Who larm is at GitHub.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A personal access token, classic or fine-grained.
    Token(SecretString),
    /// A GitHub App.
    App {
        /// Its client id or its number.
        id: String,
        /// Its private key in PEM form.
        key: SecretString,
        /// The number of its installation; looked up by a target's owner where absent.
        installation: Option<u64>,
    },
}

impl Connection {
    /// Makes a connection; nothing is sent yet. Must be called inside the runtime.
    pub fn new(options: ConnectionOptions) -> Result<Self, GitHubError> {
        Self::with_clock(options, Arc::new(clock::now))
    }

    pub(super) fn with_clock(options: ConnectionOptions, now: Now) -> Result<Self, GitHubError> {
        let ConnectionOptions { name, url, api_url, auth, timeout } = options;
        let failed = |reason| {
            let kind = GitHubErrorKind::Options { reason };
            GitHubError::new(
                "use the settings",
                format!("connection \"{name}\""),
                Need::Nothing,
                kind,
            )
        };
        let address = Address::new(&url, api_url.as_deref()).map_err(failed)?;
        let credentials = Credentials::new(auth, Arc::clone(&now)).map_err(failed)?;
        let wire = Wire::new(&address.api, timeout).map_err(failed)?;
        let shared = Shared {
            name,
            address,
            wire,
            credentials,
            budgets: Budgets::default(),
            etags: Etags::default(),
            groups: Mutex::default(),
            writes: Semaphore::new(WRITES),
            reads: Semaphore::new(READS),
            now,
        };
        Ok(Self { shared: Arc::new(shared), observer: None })
    }

    /// The same connection, which tells how GitHub answers.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    pub(super) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.as_deref()
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The address for people and runners, without a slash at the end.
    pub fn web_url(&self) -> &str {
        &self.shared.address.web
    }

    /// How many requests are left, of the scarcest kind.
    pub fn budget(&self) -> Budget {
        self.budgets().view(self.now())
    }

    pub(super) fn is_server(&self) -> bool {
        self.shared.address.server
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.shared.now)()
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.shared.wire
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.shared.credentials
    }

    pub(super) fn budgets(&self) -> &Budgets {
        &self.shared.budgets
    }

    pub(super) fn etags(&self) -> &Etags {
        &self.shared.etags
    }

    pub(super) fn groups(&self) -> &Mutex<BTreeMap<(String, String), u64>> {
        &self.shared.groups
    }

    /// Waits for a call's turn. The semaphores are never closed, so there always is a permit.
    pub(super) async fn permit(&self, call: &Call) -> Option<SemaphorePermit<'_>> {
        let turn =
            if call.method == Method::GET { &self.shared.reads } else { &self.shared.writes };
        turn.acquire().await.ok()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("name", &self.shared.name)
            .field("url", &self.shared.address.web)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::model::GitHubPath;

    #[tokio::test]
    async fn writes_wait_for_each_other_and_reads_for_the_ninth() {
        let connection = Connection::new(ConnectionOptions {
            name: "main".to_owned(),
            url: "https://github.com".to_owned(),
            api_url: None,
            auth: Auth::Token("a-token".into()),
            timeout: Duration::from_secs(1),
        });
        let connection = connection.unwrap();
        let path: GitHubPath = "acme/web".parse().unwrap();
        for (method, at_once) in [(Method::POST, 1), (Method::GET, 8)] {
            let call = Call::at("try", &path, method, "");
            let turn = || connection.permit(&call).now_or_never();
            let permits: Vec<_> = (0..at_once).map(|_| turn().unwrap().unwrap()).collect();
            assert!(turn().is_none());
            drop(permits);
            assert!(turn().is_some());
        }
    }
}
