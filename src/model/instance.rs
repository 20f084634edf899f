//! What callers see of one runner, and the state of its instance.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Health, InstanceName, RunnerId};

/// The state of an instance, mapped from LXD's status and our record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudRunnerState {
    /// Being made: exists in LXD, or is about to, and was never running.
    Created,
    /// Running.
    Active,
    /// Gone from LXD.
    Deleted,
    /// LXD reports an error.
    Error,
    /// Stopped, stopping, or frozen by someone else.
    Stopped,
    /// LXD does not answer.
    Unknown,
    /// LXD reports a status that larm does not know.
    Unexpected,
}

/// The kind of instance a runner lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceType {
    /// A virtual machine: the default, and the isolation that strangers' code needs.
    #[default]
    VirtualMachine,
    /// A system container: weaker isolation, for hosts without KVM.
    Container,
}

/// What callers see of one runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudRunnerInstance {
    /// The instance's name, which is the GitHub runner's name too.
    pub name: InstanceName,
    /// The runner's id.
    pub instance_id: RunnerId,
    /// Whether it should be kept.
    pub health: Health,
    /// The state of its instance.
    pub state: CloudRunnerState,
}

impl CloudRunnerState {
    /// Maps LXD's `status_code` (LXD documentation, "Status codes" of the REST API).
    ///
    /// `started` tells whether the instance ever ran, which LXD's "Stopped" does not say;
    /// `frozen_by_us` whether we froze it.
    pub fn from_lxd(status_code: i64, started: bool, frozen_by_us: bool) -> Self {
        match status_code {
            // Running, Ready, Thawed
            103 | 111 | 113 => Self::Active,
            // Pending, Starting
            105 | 106 => Self::Created,
            // Frozen, Freezing
            109 | 110 if frozen_by_us => Self::Active,
            // Stopped
            102 if !started => Self::Created,
            // Stopped, Stopping, Aborting, Freezing, Frozen
            102 | 107 | 108 | 109 | 110 => Self::Stopped,
            // Error
            112 => Self::Error,
            _ => Self::Unexpected,
        }
    }
}

impl InstanceType {
    /// LXD's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VirtualMachine => "virtual-machine",
            Self::Container => "container",
        }
    }

    /// The keys that keep a container's root from being the host's (LXD documentation, "Instance
    /// options", `security.*`). To be set on the instance itself, so that no profile undoes it. LXD
    /// refuses them on virtual machines, which have walls of their own.
    pub fn walls(self, nesting: bool) -> impl Iterator<Item = (String, String)> {
        let nesting = if nesting { "true" } else { "false" };
        let keys = [("security.privileged", "false"), ("security.nesting", nesting)];
        let keys = keys.into_iter().filter(move |_| self == Self::Container);
        keys.map(|(key, is)| (key.to_owned(), is.to_owned()))
    }
}

impl fmt::Display for CloudRunnerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Active => "active",
            Self::Deleted => "deleted",
            Self::Error => "error",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
            Self::Unexpected => "unexpected",
        })
    }
}

impl fmt::Display for InstanceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::CloudRunnerState as State;

    #[test]
    fn lxd_status_codes_map_as_the_table_says() {
        for (code, started, frozen_by_us, state) in [
            (103, true, false, State::Active),
            (113, true, false, State::Active),
            (111, true, false, State::Active),
            (105, false, false, State::Created),
            (106, true, false, State::Created),
            (102, false, false, State::Created),
            (102, true, false, State::Stopped),
            (107, true, false, State::Stopped),
            (108, true, false, State::Stopped),
            (110, true, false, State::Stopped),
            (109, true, false, State::Stopped),
            (110, true, true, State::Active),
            (112, true, false, State::Error),
            (999, true, false, State::Unexpected),
        ] {
            assert_eq!(State::from_lxd(code, started, frozen_by_us), state, "{code}");
        }
    }
}
