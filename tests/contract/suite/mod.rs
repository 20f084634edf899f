//! The cases, as functions over an [`Environment`]; `main.rs` lists them.

pub(crate) mod create;
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod execs;
pub(crate) mod files;
pub(crate) mod images;
pub(crate) mod logs;
pub(crate) mod networks;
pub(crate) mod operations;
pub(crate) mod server;
pub(crate) mod states;

pub(crate) use environment::{Environment, Guest, Kind, LIMIT};
