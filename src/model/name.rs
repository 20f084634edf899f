//! Names that cannot be wrong: the manager's prefix, a runner's id, and the instance name of both.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name larm gives: LXD allows 63 characters, GitHub 64; a VM's QEMU socket lives
/// below LXD's log directory and its whole path must stay under 108 bytes, which leaves less.
const MAX_NAME: usize = 50;
const ID_LENGTH: usize = 12;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The prefix has a character that LXD does not allow, or none at all.
    #[error(
        "\"{0}\" is no name prefix: use letters, digits and hyphens, starting with a letter, not ending with a hyphen"
    )]
    Prefix(String),
    /// The prefix leaves no room for the id.
    #[error("the name prefix \"{0}\" is longer than {max} characters", max = MAX_NAME - ID_LENGTH - 1)]
    PrefixTooLong(String),
    /// Not a runner id.
    #[error("\"{0}\" is no runner id: an id is {ID_LENGTH} lower-case hexadecimal digits")]
    Id(String),
    /// Not an instance name of ours.
    #[error("\"{0}\" is not the name of a runner")]
    Instance(String),
}

/// What all instance names of one manager begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePrefix(String);

/// A runner's id: 12 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerId(String);

/// `PREFIX-ID`: the LXD instance's name and the GitHub runner's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName {
    prefix: NamePrefix,
    id: RunnerId,
}

impl NamePrefix {
    /// The prefix as text, without the hyphen that follows it in a name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RunnerId {
    /// The id that 48 bits make; the caller draws them.
    pub fn from_bits(bits: u64) -> Self {
        Self(format!("{:012x}", bits & 0xffff_ffff_ffff))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl InstanceName {
    /// The name of one runner of one manager.
    pub fn new(prefix: NamePrefix, id: RunnerId) -> Self {
        Self { prefix, id }
    }

    /// The runner's id, its last part.
    pub fn id(&self) -> &RunnerId {
        &self.id
    }

    /// The manager's prefix, its first part.
    pub fn prefix(&self) -> &NamePrefix {
        &self.prefix
    }
}

impl FromStr for NamePrefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        if !allowed || !starts || text.ends_with('-') {
            return Err(NameError::Prefix(text.to_owned()));
        }
        if text.len() > MAX_NAME - ID_LENGTH - 1 {
            return Err(NameError::PrefixTooLong(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for RunnerId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
        if text.len() == ID_LENGTH && hex {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Id(text.to_owned()))
        }
    }
}

impl FromStr for InstanceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (prefix, id) =
            text.rsplit_once('-').ok_or_else(|| NameError::Instance(text.to_owned()))?;
        Ok(Self { prefix: prefix.parse()?, id: id.parse()? })
    }
}

macro_rules! text_form {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.to_string()
            }
        }
    )*};
}

text_form!(NamePrefix, RunnerId, InstanceName);

impl fmt::Display for NamePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RunnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.prefix, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_wrong_ones_refused() {
        let name: InstanceName = "my-app-0-3f9c1a2b4d5e".parse().unwrap();
        assert_eq!(name.prefix().as_str(), "my-app-0");
        assert_eq!(name.id().as_str(), "3f9c1a2b4d5e");
        assert_eq!(name.to_string(), "my-app-0-3f9c1a2b4d5e");
        for wrong in
            ["", "x", "app-3F9C1A2B4D5E", "app-3f9c1a2b4d5", "-3f9c1a2b4d5e", "0a-3f9c1a2b4d5e"]
        {
            assert!(wrong.parse::<InstanceName>().is_err(), "{wrong}");
        }
        assert!("a".repeat(MAX_NAME).parse::<NamePrefix>().is_err());
        assert_eq!(RunnerId::from_bits(u64::MAX).as_str(), "ffffffffffff");
    }
}
