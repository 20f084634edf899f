//! `[services.environment]`: variables of the runner and its jobs.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What larm or the shell that starts the runner sets itself.
const RESERVED: [&str; 15] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "PWD",
    "IFS",
    "OPTIND",
    "PPID",
    "UID",
    "EUID",
    "LINENO",
    "SHELLOPTS",
    "BASHOPTS",
    "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE",
];
/// The credential, and larm's hooks.
const RESERVED_PREFIXES: [&str; 2] = ["ACTIONS_RUNNER_INPUT_", "ACTIONS_RUNNER_HOOK_JOB_"];
/// A process takes no more in one variable (execve(2), `MAX_ARG_STRLEN`: 128 KiB).
const MAX_VALUE: usize = 64 * 1024;

/// `[services.environment]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct EnvironmentFragment(BTreeMap<VariableName, Value>);

/// The name of a variable.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct VariableName(String);

/// Its value: any text without NUL.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Value(String);

impl EnvironmentFragment {
    pub(super) fn merge(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    pub(super) fn into_settings(self) -> BTreeMap<String, String> {
        self.0.into_iter().map(|(name, value)| (name.0, value.0)).collect()
    }
}

impl TryFrom<String> for VariableName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let letters = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if !letters || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!(
                "{name:?} is no name of a variable: use letters, digits and underscores, and begin \
                 with no digit"
            ));
        }
        let prefixed = RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if prefixed || name.starts_with("BASH_") || RESERVED.contains(&name.as_str()) {
            return Err(format!("the variable {name} is set by larm or the shell: leave it out"));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for Value {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("the value holds a NUL, which no variable can".to_owned());
        }
        if text.len() > MAX_VALUE {
            return Err(format!("the value is longer than {MAX_VALUE} bytes"));
        }
        Ok(Self(text))
    }
}
