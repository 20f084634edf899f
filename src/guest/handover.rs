//! The credential and the remove token on their way into the guest.
//!
//! Both go through LXD's file API into files that only root may read, in a directory on tmpfs.
//! The file API does not write atomically, so each file ends with an end mark that the guest
//! waits for. The guest removes the file as soon as it has read it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::Credential;
use crate::model::{GitHubPath, GitHubRunnerConfig, InstanceName};

pub use super::paths::{CREDENTIAL, REMOVE_TOKEN};

/// The mode of the files that hold secrets; their owner is root.
pub const MODE: u32 = 0o600;

/// The longest secret that is handed over, in bytes; GitHub's are far shorter.
const MAX_SECRET: usize = 64 * 1024;

/// Why a credential cannot be handed over. Never holds any part of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// It holds nothing.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// It holds a line break, a space or another character that no such value has.
    #[error("the {0} holds a character that it cannot have")]
    Character(&'static str),
    /// It is longer than any such value is.
    #[error("the {0} is longer than {MAX_SECRET} bytes")]
    TooLong(&'static str),
}

/// What one runner is given beside its credential.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Variables of the runner and its jobs, by name.
    pub environment: Vec<(&'static str, String)>,
    /// What its job-started hook shows the policy service, once.
    pub policy_token: Option<SecretString>,
}

/// The bytes of the credential file; wiped from memory when dropped.
pub fn credential(
    credential: &Credential,
    name: &InstanceName,
) -> Result<Zeroizing<Vec<u8>>, HandoverError> {
    credential_with(credential, name, &Extras::default())
}

/// Like [`credential()`], with what else the runner is given.
pub fn credential_with(
    credential: &Credential,
    name: &InstanceName,
    extras: &Extras,
) -> Result<Zeroizing<Vec<u8>>, HandoverError> {
    let mut fields = Vec::new();
    let mut lines = Vec::new();
    match credential {
        Credential::Jit(jit) => fields.push(("jit", secret("just-in-time configuration", jit)?)),
        Credential::RegistrationToken { token, url, config } => {
            lines = registration(config, url, name)?;
            fields.push(("token", secret("registration token", token)?));
        }
    }
    let variables = extras.environment.iter();
    lines.extend(variables.map(|(name, value)| ("env", variable(name, value))));
    fields.extend(lines.iter().map(|(key, value)| (*key, value.as_str())));
    if let Some(token) = &extras.policy_token {
        fields.push(("policy", secret("one-time token", token)?));
    }
    Ok(render("larm-credential 1", &fields))
}

/// `NAME BASE64`.
fn variable(name: &str, value: &str) -> String {
    format!("{name} {}", STANDARD.encode(value))
}

/// The bytes of the remove token's file; wiped from memory when dropped.
pub fn remove_token(token: &SecretString) -> Result<Zeroizing<Vec<u8>>, HandoverError> {
    Ok(render("larm-remove-token 1", &[("token", secret("remove token", token)?)]))
}

fn registration(
    config: &GitHubRunnerConfig,
    url: &str,
    name: &InstanceName,
) -> Result<Vec<(&'static str, String)>, HandoverError> {
    let mut lines = vec![("url", plain("URL", url)?), ("name", name.to_string())];
    if !config.labels.is_empty() {
        lines.push(("labels", plain("label list", &config.labels.join(","))?));
    }
    if let GitHubPath::Org { group, .. } = &config.github_path {
        lines.push(("group", spaced("runner group", group)?));
    }
    Ok(lines)
}

fn render(head: &str, fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let size = fields.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>();
    // The whole size at once: a vector that grows leaves copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(head.len() + size + 8));
    for part in [head, "\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    for (key, value) in fields {
        for part in [key, " ", value, "\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    bytes.extend_from_slice(b"end\n");
    bytes
}

fn secret<'a>(what: &'static str, value: &'a SecretString) -> Result<&'a str, HandoverError> {
    let text = value.expose_secret();
    checked(what, text, |c| c.is_ascii_graphic())?;
    Ok(text)
}

fn plain(what: &'static str, text: &str) -> Result<String, HandoverError> {
    checked(what, text, |c| !c.is_control() && !c.is_whitespace()).map(str::to_owned)
}

fn spaced(what: &'static str, text: &str) -> Result<String, HandoverError> {
    checked(what, text, |c| !c.is_control() && (!c.is_whitespace() || c == ' '))
        .map(|text| text.trim().to_owned())
}

fn checked<'a>(
    what: &'static str,
    text: &'a str,
    allowed: impl Fn(char) -> bool,
) -> Result<&'a str, HandoverError> {
    if text.trim().is_empty() {
        Err(HandoverError::Empty(what))
    } else if text.len() > MAX_SECRET {
        Err(HandoverError::TooLong(what))
    } else if text.chars().all(allowed) {
        Ok(text)
    } else {
        Err(HandoverError::Character(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> InstanceName {
        "larm-3f9c1a2b4d5e".parse().unwrap()
    }

    #[test]
    fn a_just_in_time_configuration_ends_with_the_mark() {
        let bytes = credential(&Credential::Jit("eyJh+/=".to_owned().into()), &name()).unwrap();
        assert_eq!(&bytes[..], b"larm-credential 1\njit eyJh+/=\nend\n");
        let token = remove_token(&"AABB".to_owned().into()).unwrap();
        assert_eq!(&token[..], b"larm-remove-token 1\ntoken AABB\nend\n");
    }

    #[test]
    fn a_registration_token_carries_where_and_as_what() {
        let config = GitHubRunnerConfig {
            github_path: "acme".parse::<GitHubPath>().unwrap().with_group("big ones"),
            labels: vec!["linux".to_owned(), "x64".to_owned()],
        };
        let credential_ = Credential::RegistrationToken {
            token: "TT".to_owned().into(),
            url: "https://github.com/acme".to_owned(),
            config,
        };
        let bytes = credential(&credential_, &name()).unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(
            text,
            "larm-credential 1\ntoken TT\nurl https://github.com/acme\nname larm-3f9c1a2b4d5e\n\
             labels linux,x64\ngroup big ones\nend\n"
        );
    }

    #[test]
    fn what_else_the_runner_is_given_comes_before_the_mark() {
        let extras = Extras {
            environment: vec![("TMATE_SERVER_HOST", "10.0.0.9".to_owned())],
            policy_token: Some("once".to_owned().into()),
        };
        let jit = Credential::Jit("eyJh".to_owned().into());
        let bytes = credential_with(&jit, &name(), &extras).unwrap();
        let expected = "larm-credential 1\njit eyJh\nenv TMATE_SERVER_HOST MTAuMC4wLjk=\n\
                        policy once\nend\n";
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        let wrong = Extras { policy_token: Some("a b".to_owned().into()), ..Extras::default() };
        let error = credential_with(&jit, &name(), &wrong).unwrap_err().to_string();
        assert_eq!(error, "the one-time token holds a character that it cannot have");
    }

    #[test]
    fn what_could_break_the_lines_is_refused_without_telling_it() {
        for (bad, error) in [
            ("", "the just-in-time configuration is empty"),
            ("a\nend", "the just-in-time configuration holds a character that it cannot have"),
            ("sécret", "the just-in-time configuration holds a character that it cannot have"),
        ] {
            let refused = credential(&Credential::Jit(bad.to_owned().into()), &name());
            assert_eq!(refused.unwrap_err().to_string(), error);
        }
        let long = "a".repeat(MAX_SECRET + 1);
        assert!(credential(&Credential::Jit(long.into()), &name()).is_err());
    }
}
