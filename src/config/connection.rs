//! `[github]` and `[connection.NAME]`: accounts at GitHub.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::name::{PlainName, Repository};
use super::place::{Faults, Placed};
use super::secret_file::SecretFile;
use super::settings::friendly_option;
use super::value::{AppId, Poll, WebUrl};
use crate::model::{DEFAULT_CONNECTION, GitHubPath};

/// Where GitHub is, if nothing else is said.
const GITHUB: &str = "https://github.com";
/// What is wrong with a connection without credentials.
pub(super) const NO_AUTH: &str =
    "has no credential: give it `token_file`, or `app_id` and `app_key_file`";
const POLL: Duration = Duration::from_secs(30);

/// An account at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionSettings {
    /// Its name; that of `[github]` is [`DEFAULT_CONNECTION`].
    pub name: String,
    /// GitHub's base URL, without a slash at the end.
    pub url: String,
    /// What larm shows GitHub; the default connection may lack it, if no pool uses it.
    pub auth: Option<AuthSettings>,
    /// What runners register with.
    pub credential: RunnerCredential,
    /// How often GitHub is asked for queued jobs, if it is.
    #[serde(serialize_with = "friendly_option")]
    pub poll: Option<Duration>,
    /// Which repositories of organisations are asked for queued jobs; those that were pushed to
    /// recently without it.
    pub repositories: Option<Vec<GitHubPath>>,
}

/// What larm shows GitHub: where it is, never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthSettings {
    /// A personal access token, classic or fine-grained.
    Token {
        /// The file with it.
        file: SecretFile,
    },
    /// A GitHub App.
    App {
        /// The App's id, or its client id.
        id: String,
        /// The file with its private key in PEM form.
        key_file: SecretFile,
        /// Which of its installations; looked for by account without it.
        installation: Option<u64>,
    },
}

/// What runners register with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunnerCredential {
    /// A just-in-time configuration.
    #[default]
    Jit,
    /// A registration token, for a GitHub Enterprise Server without just-in-time configurations.
    RegistrationToken,
}

/// `[github]` or `[connection.NAME]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConnectionFragment {
    url: Option<WebUrl>,
    token_file: Option<Placed<SecretFile>>,
    app_id: Option<Placed<AppId>>,
    app_key_file: Option<Placed<SecretFile>>,
    app_installation: Option<Placed<NonZeroU64>>,
    credential: Option<RunnerCredential>,
    poll: Option<Poll>,
    repositories: Option<Vec<Repository>>,
}

/// All `[connection.NAME]` tables of a file, or of several merged.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct ConnectionFragments(BTreeMap<ConnectionName, Placed<ConnectionFragment>>);

/// The name of a further connection.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "PlainName")]
struct ConnectionName(String);

impl ConnectionFragment {
    /// Whether any key says what to show GitHub.
    pub(super) fn has_auth(&self) -> bool {
        self.token_file.is_some()
            || self.app_id.is_some()
            || self.app_key_file.is_some()
            || self.app_installation.is_some()
    }

    pub(super) fn merge(&mut self, later: Self, file: usize) {
        merge_placed!(self, later, file: token_file, app_id, app_key_file, app_installation);
        merge!(self, later: url, credential, poll, repositories);
    }

    pub(super) fn into_settings(self, name: String, faults: &mut Faults) -> ConnectionSettings {
        let repositories =
            self.repositories.map(|list| list.into_iter().map(|one| one.0).collect());
        let auth = Written {
            token: self.token_file,
            id: self.app_id,
            key: self.app_key_file,
            installation: self.app_installation,
        };
        ConnectionSettings {
            name,
            url: self.url.map_or_else(|| GITHUB.to_owned(), |url| url.0),
            auth: auth.check(faults),
            credential: self.credential.unwrap_or_default(),
            poll: self.poll.map_or(Some(POLL), |poll| poll.0),
            repositories,
        }
    }
}

impl ConnectionFragments {
    pub(super) fn merge(&mut self, later: Self, file: usize) {
        for (name, table) in later.0 {
            let table = table.in_file(file);
            let empty = || Placed { value: ConnectionFragment::default(), place: table.place };
            self.0.entry(name).or_insert_with(empty).value.merge(table.value, file);
        }
    }

    /// Whoever names a connection means to use it: without any credential it is a mistake.
    pub(super) fn into_settings(self, faults: &mut Faults) -> Vec<ConnectionSettings> {
        let mut all = Vec::new();
        for (ConnectionName(name), Placed { value, place }) in self.0 {
            if !value.has_auth() {
                faults.add(place, format!("the connection \"{name}\" {NO_AUTH}"));
            }
            all.push(value.into_settings(name, faults));
        }
        all
    }
}

/// The keys that say what larm shows GitHub.
struct Written {
    token: Option<Placed<SecretFile>>,
    id: Option<Placed<AppId>>,
    key: Option<Placed<SecretFile>>,
    installation: Option<Placed<NonZeroU64>>,
}

impl Written {
    /// A token or an App, whole, or nothing.
    fn check(self, faults: &mut Faults) -> Option<AuthSettings> {
        match self {
            Self { token: Some(token), id: None, key: None, installation: None } => {
                Some(AuthSettings::Token { file: token.value })
            }
            Self { token: None, id: Some(id), key: Some(key), installation } => {
                Some(AuthSettings::App {
                    id: id.value.0,
                    key_file: key.value,
                    installation: installation.map(|number| number.value.get()),
                })
            }
            Self { token: None, id: None, key: None, installation: None } => None,
            wrong => {
                wrong.complain(faults);
                None
            }
        }
    }

    fn complain(&self, faults: &mut Faults) {
        let app = self.id.as_ref().map(|id| id.place);
        let app = app.or(self.key.as_ref().map(|key| key.place));
        let app = app.or(self.installation.as_ref().map(|number| number.place));
        match (app, self) {
            (Some(place), Self { token: Some(_), .. }) => faults.add(
                place,
                "`token_file` is given too: a connection has a token or an App, not both"
                    .to_owned(),
            ),
            (Some(place), Self { id: Some(_), .. }) => {
                faults.add(place, "`app_id` is given without `app_key_file`".to_owned());
            }
            (Some(place), Self { key: Some(_), .. }) => {
                faults.add(place, "`app_key_file` is given without `app_id`".to_owned());
            }
            (Some(place), _) => faults.add(
                place,
                "`app_installation` is given without `app_id` and `app_key_file`".to_owned(),
            ),
            (None, _) => {}
        }
    }
}

impl TryFrom<PlainName> for ConnectionName {
    type Error = String;

    fn try_from(name: PlainName) -> Result<Self, String> {
        if name.0 == DEFAULT_CONNECTION {
            return Err(format!("the connection \"{DEFAULT_CONNECTION}\" is the table `[github]`"));
        }
        Ok(Self(name.0))
    }
}

impl<'de> Deserialize<'de> for AppId {
    /// A number may stand without quotation marks.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AppIdVisitor)
    }
}

struct AppIdVisitor;

impl serde::de::Visitor<'_> for AppIdVisitor {
    type Value = AppId;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the App's id or client id")
    }

    fn visit_i64<E: serde::de::Error>(self, id: i64) -> Result<AppId, E> {
        self.visit_str(&id.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<AppId, E> {
        self.visit_str(&id.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, id: &str) -> Result<AppId, E> {
        AppId::try_from(id.to_owned()).map_err(E::custom)
    }
}
