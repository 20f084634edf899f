//! Who may ask for what: personal access tokens and Apps. While there is no account and no App,
//! everybody may ask for everything.
//!
//! The permissions are those of GitHub's documentation, "Permissions required for GitHub Apps",
//! "Permissions required for fine-grained personal access tokens" and "Scopes for OAuth apps".

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use super::needs::{self, Need};
use super::places::Places;
use super::scope::Scope;

/// A permission and how far it goes (`read`, `write`).
pub type Permissions = BTreeMap<String, String>;

/// The longest that an App's own token may live (documented: 10 minutes).
const JWT_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// A user with a personal access token.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user's name.
    pub login: String,
    /// The token.
    pub token: SecretString,
    /// What the token may do.
    pub kind: AccountKind,
    /// The organisations and repositories that it sees; none said means all.
    pub targets: Option<Vec<Scope>>,
}

/// What a personal access token may do.
#[derive(Debug, Clone)]
pub enum AccountKind {
    /// A classic one, with scopes like `admin:org`.
    Classic {
        /// The scopes.
        scopes: Vec<String>,
    },
    /// A fine-grained one, with permissions like `administration`: `write`.
    FineGrained {
        /// The permissions.
        permissions: Permissions,
    },
}

/// An App.
#[derive(Debug, Clone)]
pub struct App {
    /// Its number.
    pub id: u64,
    /// Its client id, which may stand for the number.
    pub client_id: String,
    /// Its name in URLs.
    pub slug: String,
    /// Where it is installed.
    pub installations: Vec<Installation>,
    /// How long the tokens live that its installations get (GitHub: one hour).
    pub token_life: SignedDuration,
}

/// An App at one organisation or user.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Its number.
    pub id: u64,
    /// The organisation or user.
    pub account: String,
    /// What it may do.
    pub permissions: Permissions,
    /// Whether it is suspended.
    pub suspended: bool,
}

/// All of them, and the tokens that were given to installations.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: Vec<Account>,
    apps: Vec<App>,
    issued: Vec<Issued>,
}

#[derive(Debug)]
struct Issued {
    token: SecretString,
    installation: u64,
    expires: Timestamp,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// Somebody, where nothing is checked.
    Anybody,
    /// A user, with the scopes of a classic token.
    User { login: String, scopes: Option<Vec<String>> },
    /// An App itself.
    App(u64),
    /// One of its installations.
    Installation(u64),
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) status: u16,
    pub(super) message: String,
    /// What would be needed.
    pub(super) need: Option<Need>,
}

impl Accounts {
    pub(super) fn add(&mut self, account: Account) {
        self.users.push(account);
    }

    pub(super) fn add_app(&mut self, app: App) {
        self.apps.push(app);
    }

    /// Replaces what an installation may do, and whether it is suspended.
    pub(super) fn set_installation(&mut self, changed: &Installation) {
        for one in self.apps.iter_mut().flat_map(|app| app.installations.iter_mut()) {
            if one.id == changed.id {
                one.clone_from(changed);
            }
        }
    }

    pub(super) fn app(&self, id: u64) -> Option<&App> {
        self.apps.iter().find(|app| app.id == id)
    }

    pub(super) fn installation(&self, id: u64) -> Option<&Installation> {
        self.apps.iter().flat_map(|app| &app.installations).find(|one| one.id == id)
    }

    /// The installation of any App that sees this place.
    pub(super) fn installation_at(&self, scope: &Scope) -> Option<&Installation> {
        let place = scope.to_string();
        let owner = super::scope::owner(&place);
        let all = self.apps.iter().flat_map(|app| &app.installations);
        all.into_iter().find(|one| one.account.eq_ignore_ascii_case(owner))
    }

    /// A new token for an installation of this App, and when it ends.
    pub(super) fn issue(
        &mut self,
        app: u64,
        installation: u64,
        now: Timestamp,
    ) -> Result<(SecretString, Timestamp), Denied> {
        let app = self.app(app).ok_or_else(not_found)?;
        let one = app.installations.iter().find(|one| one.id == installation);
        let one = one.ok_or_else(not_found)?;
        if one.suspended {
            return Err(denied(403, "This installation has been suspended"));
        }
        let expires = now.saturating_add(app.token_life).unwrap_or(Timestamp::MAX);
        let token = SecretString::from(format!("ghs_{}", Uuid::new_v4().simple()));
        self.issued.push(Issued { token: token.clone(), installation, expires });
        Ok((token, expires))
    }

    /// Whether this caller may do this.
    pub(super) fn check(
        &self,
        places: &Places,
        method: &str,
        path: &str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<Caller, Denied> {
        let asked = needs::of(method, path);
        let exists = asked.scope.as_ref().is_none_or(|scope| places.exists(scope));
        if self.users.is_empty() && self.apps.is_empty() {
            return exists.then_some(Caller::Anybody).ok_or_else(not_found);
        }
        let caller = self.caller(token, now)?;
        let is_app = matches!(caller, Caller::App(_));
        if asked.need == Need::App && !is_app || asked.need != Need::App && is_app {
            return Err(denied(401, "A JSON web token could not be decoded"));
        }
        let sees = |scope: &Scope| self.sees(&caller, scope);
        if !exists || !asked.scope.as_ref().is_none_or(sees) {
            return Err(not_found());
        }
        self.may(&caller, &asked.need)?;
        Ok(caller)
    }

    fn caller(&self, token: Option<&str>, now: Timestamp) -> Result<Caller, Denied> {
        let token = token.ok_or_else(|| denied(401, "Requires authentication"))?;
        if let Some(user) = self.users.iter().find(|one| one.token.expose_secret() == token) {
            let scopes = match &user.kind {
                AccountKind::Classic { scopes } => Some(scopes.clone()),
                AccountKind::FineGrained { .. } => None,
            };
            return Ok(Caller::User { login: user.login.clone(), scopes });
        }
        let issued = self.issued.iter().find(|one| one.token.expose_secret() == token);
        if let Some(issued) = issued.filter(|one| one.expires > now) {
            let suspended = self.installation(issued.installation).is_none_or(|one| one.suspended);
            return if suspended {
                Err(denied(403, "This installation has been suspended"))
            } else {
                Ok(Caller::Installation(issued.installation))
            };
        }
        match token.split('.').nth(1).filter(|_| token.split('.').count() == 3) {
            Some(claims) => self.app_by_claims(claims, now).map(Caller::App),
            None => Err(denied(401, "Bad credentials")),
        }
    }

    /// The App that a JSON web token speaks for. Its signature is not looked at.
    fn app_by_claims(&self, claims: &str, now: Timestamp) -> Result<u64, Denied> {
        let undecodable = || denied(401, "A JSON web token could not be decoded");
        let bytes = URL_SAFE_NO_PAD.decode(claims).map_err(|_| undecodable())?;
        let claims: Value = serde_json::from_slice(&bytes).map_err(|_| undecodable())?;
        let field = |name: &str| claims.get(name).cloned().unwrap_or_default();
        let issuer = field("iss");
        let issuer = issuer.as_str().map_or_else(|| issuer.to_string(), str::to_owned);
        let app =
            self.apps.iter().find(|app| issuer == app.id.to_string() || issuer == app.client_id);
        let app = app.ok_or_else(|| denied(404, "Integration not found"))?;
        let time = |name: &str| field(name).as_i64().and_then(|s| Timestamp::from_second(s).ok());
        let (Some(from), Some(to)) = (time("iat"), time("exp")) else { return Err(undecodable()) };
        if from > now {
            return Err(denied(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the \
                 assertion was issued",
            ));
        }
        if to <= now {
            let text = "'Expiration time' claim ('exp') must be a numeric value representing the \
                        future time at which the assertion expires";
            return Err(denied(401, text));
        }
        if to.duration_since(now) > JWT_LIFE {
            return Err(denied(401, "'Expiration time' claim ('exp') is too far in the future"));
        }
        Ok(app.id)
    }

    fn sees(&self, caller: &Caller, scope: &Scope) -> bool {
        match caller {
            Caller::Anybody | Caller::App(_) => true,
            Caller::User { login, .. } => {
                let user = self.users.iter().find(|one| one.login == *login);
                let targets = user.and_then(|user| user.targets.as_ref());
                let text = scope.to_string();
                targets.is_none_or(|all| all.iter().any(|one| one.is(scope) || one.covers(&text)))
            }
            Caller::Installation(id) => {
                let text = scope.to_string();
                let owner = super::scope::owner(&text);
                self.installation(*id).is_some_and(|one| one.account.eq_ignore_ascii_case(owner))
            }
        }
    }

    fn may(&self, caller: &Caller, need: &Need) -> Result<(), Denied> {
        let (granted, who) = match caller {
            Caller::Anybody | Caller::App(_) => return Ok(()),
            Caller::Installation(id) => {
                let empty = Permissions::new();
                let permissions = self.installation(*id).map_or(&empty, |one| &one.permissions);
                (need.granted_by(permissions) && *need != Need::User, "integration")
            }
            Caller::User { login, .. } => {
                let user = self.users.iter().find(|one| one.login == *login);
                let granted = user.is_some_and(|user| match &user.kind {
                    AccountKind::Classic { scopes } => need.granted_by_scopes(scopes),
                    AccountKind::FineGrained { permissions } => need.granted_by(permissions),
                });
                (granted, "personal access token")
            }
        };
        let message = format!("Resource not accessible by {who}");
        let refused = || Denied { need: Some(need.clone()), ..denied(403, &message) };
        granted.then_some(()).ok_or_else(refused)
    }
}

fn not_found() -> Denied {
    denied(404, "Not Found")
}

fn denied(status: u16, message: &str) -> Denied {
    Denied { status, message: message.to_owned(), need: None }
}
