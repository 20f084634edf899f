//! What an instance does at the moment (LXD documentation, "Instances",
//! `GET /1.0/instances/{name}/state`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::envelope::nullable;
use super::status::StatusCode;

/// What an instance does at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct InstanceState {
    /// LXD's word for the status.
    #[serde(default)]
    pub status: String,
    /// The status.
    #[serde(default)]
    pub status_code: StatusCode,
    /// The process id of the guest's init, or of QEMU, on the host; 0 if there is none.
    #[serde(default)]
    pub pid: i64,
    /// How many processes the guest has; -1 in a virtual machine whose agent does not answer.
    #[serde(default)]
    pub processes: i64,
    /// Its interfaces by name. Until a virtual machine's agent answers, the names and addresses
    /// are those that the host knows.
    #[serde(default, deserialize_with = "nullable")]
    pub network: BTreeMap<String, NetworkState>,
}

/// One interface of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NetworkState {
    /// Its addresses.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<Address>,
    /// Its hardware address.
    pub hwaddr: String,
    /// The name of its other end on the host.
    pub host_name: String,
    /// `up` or `down`.
    pub state: String,
}

/// An address of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Address {
    /// `inet` or `inet6`.
    pub family: String,
    /// The address.
    pub address: String,
    /// Bits of the network's part.
    pub netmask: String,
    /// `global`, `link` or `local`.
    pub scope: String,
}

impl InstanceState {
    /// Whether exec and files can work: it runs, and in a virtual machine its agent answers.
    pub fn agent_answers(&self) -> bool {
        self.status_code.is_running() && self.processes > -1
    }
}
