//! Files with secrets, as the configuration names them.

use std::env;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::credential::{CredentialError, read_key, read_secret};
use super::mask::holds_token;

/// Where systemd puts a service's credentials ("Credentials" in systemd.exec(5)).
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// A file with a secret: its whole path, or the name of a credential that systemd gives to the
/// service. The secret is read when it is needed, never before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PathBuf")]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// The path or name as it was written.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads a secret of one line: a token, or a webhook's secret.
    pub fn read(&self) -> Result<SecretString, CredentialError> {
        read_secret(&self.find()?)
    }

    /// Reads a private key in PEM form.
    pub fn read_key(&self) -> Result<SecretString, CredentialError> {
        read_key(&self.find()?)
    }

    /// The whole path.
    fn find(&self) -> Result<PathBuf, CredentialError> {
        self.find_in(env::var_os(DIRECTORY).as_deref())
    }

    fn find_in(&self, directory: Option<&OsStr>) -> Result<PathBuf, CredentialError> {
        if self.0.is_absolute() {
            return Ok(self.0.clone());
        }
        match directory.filter(|directory| !directory.is_empty()) {
            Some(directory) => Ok(Path::new(directory).join(&self.0)),
            None => Err(CredentialError::NoDirectory { name: self.0.clone() }),
        }
    }
}

impl TryFrom<PathBuf> for SecretFile {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        if path.to_str().is_some_and(holds_token) {
            return Err("this is a secret itself: put it into a file of its own, and name that \
                        here"
                .to_owned());
        }
        let parts: Vec<Component<'_>> = path.components().collect();
        let name = matches!(parts.as_slice(), [Component::Normal(_)]);
        let whole = path.is_absolute() && parts.len() > 1;
        if name || whole {
            return Ok(Self(path));
        }
        Err(format!(
            "\"{}\" is neither an absolute path nor the name of a systemd credential",
            path.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Result<SecretFile, String> {
        PathBuf::from(path).try_into()
    }

    #[test]
    fn a_name_is_looked_up_among_systemds_credentials() {
        let directory = Some(OsStr::new("/run/credentials/larm.service"));
        let token = file("token").unwrap();
        let found = token.find_in(directory).unwrap();
        assert_eq!(found, Path::new("/run/credentials/larm.service/token"));
        for none in [None, Some(OsStr::new(""))] {
            let error = token.find_in(none).unwrap_err();
            assert!(error.hint().unwrap().contains("LoadCredential=token:"), "{error}");
        }
        let whole = file("/etc/larm/token").unwrap();
        assert_eq!(whole.find_in(directory).unwrap(), Path::new("/etc/larm/token"));
    }

    #[test]
    fn other_relative_paths_are_refused() {
        for wrong in ["", "/", ".", "..", "../token", "secrets/token"] {
            assert!(file(wrong).is_err(), "{wrong:?}");
        }
    }
}
