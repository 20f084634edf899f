//! How a GitHub App says who it is: a short token signed with its key (GitHub documentation,
//! "Generating a JSON Web Token (JWT) for a GitHub App").
//!
//! GitHub refuses a token that is from the future, and one that ends more than ten minutes from
//! now, by GitHub's clock. Issued two minutes ago and ending in eight, a token holds for a host
//! whose clock is up to two minutes off in either direction. (octocrab's own are issued one minute
//! ago and end in nine: for a clock that is a minute fast that is the very edge on both sides.)

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// Seconds that a token seems to be old when it is made.
const BACKDATED: i64 = 120;
/// Seconds until a token ends.
const LIFE: i64 = 480;

/// A GitHub App and its key.
pub(super) struct App {
    id: String,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
}

impl App {
    /// Reads the key, an RSA key in PEM form as GitHub gives it out.
    pub(super) fn new(id: &str, key: &SecretString) -> Result<Self, String> {
        if id.trim().is_empty() {
            return Err("the App has no id".to_owned());
        }
        let key = EncodingKey::from_rsa_pem(key.expose_secret().trim().as_bytes())
            .map_err(|_| "the App's key is no RSA private key in PEM form".to_owned())?;
        Ok(Self { id: id.trim().to_owned(), key })
    }

    /// A token that says who the App is, made at `now`.
    pub(super) fn token(&self, now: Timestamp) -> Result<SecretString, String> {
        let now = now.as_second();
        let claims = Claims { iss: &self.id, iat: now - BACKDATED, exp: now + LIFE };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|_| "the App's key cannot sign".to_owned())
    }
}
