//! The LXD REST API over its unix socket, one file per resource.
//!
//! ```text
//! server projects profiles storage networks network_acls images  what is set up once
//! instances state operations exec files logs              what a runner's life needs
//! events -> hub -> ends                                   one websocket for everybody
//! ------------------------------------------------------------------------------------
//! envelope (sync, async, error), classify (LXD's words -> ErrorKind), error
//! route, transport, websocket                             bytes over the socket
//! ```
//!
//! A [`Client`] is cheap to clone. Every call has a time limit; every answer a size limit. What
//! LXD does in the background is an [`Operation`] and ends with [`Client::wait`]. Works with LXD
//! 5.0 and later and with Incus: what differs is looked up in `api_extensions` or read both ways,
//! never decided by a version number. It knows nothing of runners, and repeats nothing by itself.

mod classify;
mod client;
mod ends;
mod envelope;
mod error;
mod events;
mod exec;
mod files;
mod hub;
mod image_source;
mod images;
mod import;
mod instances;
mod interactive;
mod logs;
mod network_acls;
mod networks;
mod observer;
mod operations;
mod pool;
mod profiles;
mod projects;
mod publish;
mod route;
mod server;
mod socket;
mod state;
mod status;
mod storage;
mod transport;
mod websocket;

pub use client::{Client, ClientOptions};
pub use error::{Error, ErrorKind};
pub use events::{Event, LifecycleEvent, OperationEvent};
pub use exec::{Exec, ExecOutput};
pub use files::{File, FileKind, FileOptions};
pub use hub::{EventHub, Events};
pub use image_source::ImageSource;
pub use images::{Image, ImageAlias, ImageFiles};
pub use instances::{CopyInstance, Instance, NewInstance, StateChange};
pub use interactive::{Session, SessionControl, SessionInput, SessionOutput, Terminal};
pub use network_acls::{AclRule, NetworkAcl, NewNetworkAcl};
pub use networks::{Network, NetworkChange, NewNetwork, Tagged};
pub use observer::{Observed, Observer};
pub use operations::{Finished, Operation};
pub use profiles::{NewProfile, Profile};
pub use projects::Project;
pub use server::{Environment, Server, StorageDriver};
pub use socket::{SocketPlaces, find_socket};
pub use state::{Address, InstanceState, NetworkState};
pub use status::StatusCode;
pub use storage::{NewStoragePool, Space, StoragePool};

/// What LXD calls a set of devices: by name, each a set of settings.
pub type Devices = std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>;

/// What LXD calls a configuration: keys and values, all of them strings.
pub type Config = std::collections::BTreeMap<String, String>;
