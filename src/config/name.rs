//! Names and labels of the farm: of pools, connections, runner groups and repositories.

use std::env;

use serde::Deserialize;

use crate::model::GitHubPath;

const LONGEST_NAME: usize = 30;
/// GitHub takes no more of them for one runner.
const MOST_LABELS: usize = 100;
const LONGEST_LABEL: usize = 256;
/// Longer than any group's name.
const LONGEST_GROUP: usize = 255;

/// The name of a pool or connection: it is part of labels of metrics and of keys in LXD.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct PlainName(pub(super) String);

/// An organisation or a repository.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TargetPath(pub(super) GitHubPath);

/// A repository.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Repository(pub(super) GitHubPath);

/// The name of an organisation's runner group.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct RunnerGroup(pub(super) String);

/// Labels in lower case, each once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(super) struct Labels(Vec<String>);

impl Labels {
    /// These, then those that every runner on this machine has and that GitHub does not add to a
    /// just-in-time configuration.
    pub(super) fn with_own(self) -> Vec<String> {
        let Self(mut labels) = self;
        for own in own_labels() {
            if !labels.iter().any(|label| label == own) {
                labels.push(own.to_owned());
            }
        }
        labels
    }
}

fn own_labels() -> [&'static str; 3] {
    ["self-hosted", "linux", architecture()]
}

/// This machine's architecture in GitHub's word for it ("Using self-hosted runners in a
/// workflow"); one that GitHub has no word for in Rust's.
fn architecture() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl TryFrom<String> for PlainName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(allowed) {
            return Ok(Self(text));
        }
        Err(format!(
            "{text:?} is no name: use 1 to {LONGEST_NAME} lower-case letters, digits and hyphens"
        ))
    }
}

impl TryFrom<String> for TargetPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("{text:?} is no GitHub path: write OWNER/REPOSITORY or ORGANISATION")
        })
    }
}

impl TryFrom<String> for Repository {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse() {
            Ok(path @ GitHubPath::Repo { .. }) => Ok(Self(path)),
            Ok(GitHubPath::Org { .. }) | Err(_) => {
                Err(format!("{text:?} is no repository: write OWNER/REPOSITORY"))
            }
        }
    }
}

impl TryFrom<String> for RunnerGroup {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let blank = text.trim() != text || text.is_empty();
        if blank || text.len() > LONGEST_GROUP || text.contains(char::is_control) {
            return Err(format!("{text:?} is no name of a runner group"));
        }
        Ok(Self(text))
    }
}

impl TryFrom<Vec<String>> for Labels {
    type Error = String;

    fn try_from(written: Vec<String>) -> Result<Self, String> {
        let mut labels: Vec<String> = Vec::new();
        for text in written {
            let label = checked(&text)?;
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let count = Self(labels.clone()).with_own().len();
        if count > MOST_LABELS {
            let own = own_labels().join(", ");
            return Err(format!("these are {count} labels with {own}: GitHub takes {MOST_LABELS}"));
        }
        Ok(Self(labels))
    }
}

fn checked(text: &str) -> Result<String, String> {
    let wrong = |c: char| c.is_control() || c == ',';
    let blank = text.trim() != text || text.is_empty();
    if blank || text.contains(wrong) || text.chars().count() > LONGEST_LABEL {
        return Err(format!(
            "{text:?} is no label: use 1 to {LONGEST_LABEL} characters, no comma among them and no \
             blank at either end"
        ));
    }
    Ok(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(written: &[&str]) -> Result<Vec<String>, String> {
        let written: Vec<String> = written.iter().map(|label| (*label).to_owned()).collect();
        Labels::try_from(written).map(Labels::with_own)
    }

    #[test]
    fn labels_are_lower_case_and_there_once() {
        let all = labels(&["GPU", "gpu", "Self-Hosted"]).unwrap();
        assert_eq!(all, ["gpu", "self-hosted", "linux", architecture()]);
        assert!(matches!(architecture(), "x64" | "arm64" | "arm" | "riscv64" | "s390x"));
        for wrong in ["", " a", "a,b", "a\nb", &"x".repeat(257)] {
            assert!(labels(&[wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn no_more_labels_than_github_takes() {
        let many: Vec<String> = (0..98).map(|number| format!("label-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(labels(&many[..97]).unwrap().len(), 100);
        assert!(labels(&many).unwrap_err().contains("these are 101 labels"));
    }
}
