//! What is sent to say who larm is: a token as it was given, or tokens of a GitHub App's
//! installations (GitHub documentation, "Authenticating as a GitHub App installation").
//!
//! An installation's token is asked for once, kept, and renewed five minutes before its end by
//! this host's clock. A clock that is a minute slow still renews it in time; one that is worse
//! meets a 401, upon which the token is renewed once. While GitHub gives no new one, the old one
//! is used to its end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::answer::Refusal;
use super::connection::{Auth, Now};
use super::error::GitHubErrorKind;
use super::jwt::App;
use super::wire::{Answer, Outgoing, Wire};
use crate::model::GitHubPath;

/// How long before its end a token is renewed.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// The account that an App's installation belongs to, and where to ask for it.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    name: String,
    address: String,
}

impl Owner {
    /// The owner of a path.
    pub(super) fn of(path: &GitHubPath) -> Self {
        match path {
            GitHubPath::Org { org, .. } => Self {
                name: org.to_ascii_lowercase(),
                address: format!("/orgs/{org}/installation"),
            },
            GitHubPath::Repo { owner, repo } => Self {
                name: owner.to_ascii_lowercase(),
                address: format!("/repos/{owner}/{repo}/installation"),
            },
        }
    }
}

/// What is sent with one request.
pub(super) struct Bearer {
    /// Marked as sensitive.
    pub(super) header: HeaderValue,
    /// The installation that the token is of, 0 for others.
    pub(super) installation: u64,
}

/// What larm shows to GitHub.
pub(super) struct Credentials {
    kind: Kind,
    now: Now,
}

enum Kind {
    Token(HeaderValue),
    App(Box<Installed>),
}

/// An App and what is kept of its installations.
struct Installed {
    app: App,
    given: Option<u64>,
    /// Never locked while GitHub is asked: who has a good token does not wait for those who ask.
    kept: Mutex<Kept>,
    /// One asks at a time, so that many calls at once ask for one token.
    asking: Semaphore,
}

#[derive(Default)]
struct Kept {
    /// Owner to installation.
    installations: BTreeMap<String, u64>,
    tokens: BTreeMap<u64, LivingToken>,
}

struct LivingToken {
    header: HeaderValue,
    ends: Timestamp,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct InstallationToken {
    token: SecretString,
    expires_at: Timestamp,
}

impl Credentials {
    pub(super) fn new(auth: Auth, now: Now) -> Result<Self, String> {
        let kind = match auth {
            Auth::Token(token) => {
                let header = header(&token).ok_or("the token has characters that no token has")?;
                Kind::Token(header)
            }
            Auth::App { id, key, installation } => {
                let app = App::new(&id, &key)?;
                let (kept, asking) = (Mutex::default(), Semaphore::new(1));
                Kind::App(Box::new(Installed { app, given: installation, kept, asking }))
            }
        };
        Ok(Self { kind, now })
    }

    /// Whether it is an App.
    pub(super) fn is_app(&self) -> bool {
        matches!(self.kind, Kind::App(_))
    }

    /// Whether it is a fine-grained token, which is told by how it begins (GitHub
    /// documentation, "About authentication to GitHub", token formats).
    pub(super) fn is_fine_grained(&self) -> bool {
        let Kind::Token(header) = &self.kind else { return false };
        header.as_bytes().starts_with(b"Bearer github_pat_")
    }

    /// For calls as the App itself.
    pub(super) fn app(&self) -> Result<Bearer, GitHubErrorKind> {
        match &self.kind {
            Kind::App(installed) => {
                Ok(Bearer { header: self.signed(&installed.app)?, installation: 0 })
            }
            Kind::Token(header) => Ok(Bearer { header: header.clone(), installation: 0 }),
        }
    }

    /// For calls about what an owner has.
    pub(super) async fn of_owner(
        &self,
        wire: &Wire,
        owner: &Owner,
    ) -> Result<Bearer, GitHubErrorKind> {
        let installed = match &self.kind {
            Kind::Token(header) => {
                return Ok(Bearer { header: header.clone(), installation: 0 });
            }
            Kind::App(installed) => installed,
        };
        let living = |margin| installed.living(owner, (self.now)().saturating_add(margin));
        if let Some(bearer) = living(MARGIN) {
            return Ok(bearer);
        }
        // Never closed, so there always is a permit.
        let _turn = installed.asking.acquire().await;
        if let Some(bearer) = living(MARGIN) {
            return Ok(bearer);
        }
        match Box::pin(self.ask(wire, installed, owner)).await {
            Err(error) if error.is_transient() => living(SignedDuration::ZERO).ok_or(error),
            asked => asked,
        }
    }

    /// Asks for a token.
    async fn ask(
        &self,
        wire: &Wire,
        installed: &Installed,
        owner: &Owner,
    ) -> Result<Bearer, GitHubErrorKind> {
        let app = &installed.app;
        let installation = match installed.number(owner) {
            Some(installation) => installation,
            None => self.find(wire, app, owner).await?,
        };
        let token = match self.fetch(wire, app, installation).await {
            // The App may have been installed anew, with another number.
            Err(error @ GitHubErrorKind::NotInstalled) => {
                installed.lock().installations.remove(&owner.name);
                return Err(error);
            }
            fetched => fetched?,
        };
        let header = token.header.clone();
        let mut kept = installed.lock();
        kept.installations.insert(owner.name.clone(), installation);
        kept.tokens.insert(installation, token);
        Ok(Bearer { header, installation })
    }

    /// Forgets a token that was not accepted; whether a new one can be had.
    pub(super) fn renew(&self, refused: &Bearer) -> bool {
        let Kind::App(installed) = &self.kind else { return false };
        let mut kept = installed.lock();
        let is_this = |token: &LivingToken| token.header == refused.header;
        // Another call may have renewed it already.
        if kept.tokens.get(&refused.installation).is_some_and(is_this) {
            kept.tokens.remove(&refused.installation);
        }
        refused.installation != 0
    }

    async fn find(&self, wire: &Wire, app: &App, owner: &Owner) -> Result<u64, GitHubErrorKind> {
        let answer = self.as_app(wire, app, Method::GET, &owner.address).await?;
        let found: Installation = read(&answer)?;
        Ok(found.id)
    }

    async fn fetch(
        &self,
        wire: &Wire,
        app: &App,
        installation: u64,
    ) -> Result<LivingToken, GitHubErrorKind> {
        let path = format!("/app/installations/{installation}/access_tokens");
        let answer = self.as_app(wire, app, Method::POST, &path).await?;
        let got: InstallationToken = read(&answer)?;
        let header = header(&got.token).ok_or_else(|| GitHubErrorKind::Malformed {
            reason: "the token has characters that no token has".to_owned(),
        })?;
        Ok(LivingToken { header, ends: got.expires_at })
    }

    async fn as_app(
        &self,
        wire: &Wire,
        app: &App,
        method: Method,
        path: &str,
    ) -> Result<Answer, GitHubErrorKind> {
        let bearer = self.signed(app)?;
        let outgoing = Outgoing { method, path, bearer: &bearer, etag: None, body: None };
        let answer = wire.send(outgoing).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        if answer.status == StatusCode::NOT_FOUND {
            return Err(GitHubErrorKind::NotInstalled);
        }
        let now = (self.now)();
        let Answer { status, headers, body } = &answer;
        Err(Refusal { status: *status, headers, body, now }.kind())
    }

    fn signed(&self, app: &App) -> Result<HeaderValue, GitHubErrorKind> {
        let token =
            app.token((self.now)()).map_err(|reason| GitHubErrorKind::Options { reason })?;
        let reason = || "the App's token cannot be sent".to_owned();
        header(&token).ok_or_else(|| GitHubErrorKind::Options { reason: reason() })
    }
}

impl Installed {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the installation at an owner, where it is known.
    fn number(&self, owner: &Owner) -> Option<u64> {
        self.given.or_else(|| self.lock().installations.get(&owner.name).copied())
    }

    /// The token for an owner if it lives longer than until then.
    fn living(&self, owner: &Owner, then: Result<Timestamp, jiff::Error>) -> Option<Bearer> {
        let (installation, then) = (self.number(owner)?, then.ok()?);
        let kept = self.lock();
        let token = kept.tokens.get(&installation).filter(|token| token.ends > then)?;
        Some(Bearer { header: token.header.clone(), installation })
    }
}

fn header(token: &SecretString) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, GitHubErrorKind> {
    serde_json::from_slice(&answer.body).map_err(|error| GitHubErrorKind::Malformed {
        reason: format!("at line {} column {}", error.line(), error.column()),
    })
}
