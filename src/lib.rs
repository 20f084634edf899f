//! larm, the LXD Actions Runner Manager: turns one machine with LXD into a farm of ephemeral
//! GitHub Actions self-hosted runners.
//!
//! # The map
//!
//! Each room uses only rooms to its right (`tests/layers.rs` checks it):
//!
//! ```text
//! main -> cli -> smoke -> daemon -> http -> metrics -> farm -> manager -> { store, lxd, guest, github, application, services } -> model
//!                            |  \-> export -----------------------^
//!                            |  \-> images -> { lxd, guest, application } -> model
//!                            \-> config                                            clock: used by all but model
//! ```
//!
//! | room | duty |
//! |---|---|
//! | [`model`] | the vocabulary, and every decision: `step`, `recover`, deadlines, health |
//! | [`lxd`] | the LXD REST API over its unix socket, one file per resource |
//! | [`github`] | the GitHub REST API: credentials, runners, jobs, webhooks, the budget of requests |
//! | [`guest`] | what is put into an instance, and how to read what comes back from it |
//! | [`store`] | records and journal on disk |
//! | [`application`] | the runner application on the host: which version, fetched once, kept |
//! | [`images`] | golden images: baked over LXD's API, tried, kept as generations |
//! | [`services`] | what a runner is given of services outside: a tmate server, a policy token |
//! | [`manager`] | [`manager::CloudRunnerManager`] on LXD: one dispatcher owns all state, executors act |
//! | [`farm`] | keeps as many runners as pools and jobs want: demand, plan, GitHub's lists |
//! | [`export`] | the metric events as a file for other programs |
//! | [`metrics`] | what Prometheus reads: everything that happens, counted |
//! | [`http`] | the control API on a unix socket, and GitHub's webhooks |
//! | [`config`] | the configuration: as written, then checked |
//! | [`daemon`] | builds every part from the configuration and runs until told to stop |
//! | [`smoke`] | proves that a host can run jobs, with a stand-in for GitHub |
//! | [`cli`] | one command per file: ask, then print |
//!
//! # Invariants
//!
//! * The model does no I/O, reads no clock and draws no random number.
//! * Only the dispatcher changes a record; a change is on disk before its actions are tried.
//! * Every action is safe to repeat, and its outcome comes back as one event.
//! * Only instances that carry our `user.larm.*` keys are ever touched.
//! * A secret is never in a record, a log line, an argument vector, user-data or an error text.
//! * Whatever a guest says is hostile: capped, parsed totally, and never able to stop the loop.

pub mod application;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod export;
pub mod farm;
pub mod github;
pub mod guest;
pub mod http;
pub mod images;
pub mod lxd;
pub mod manager;
pub mod metrics;
pub mod model;
pub mod services;
pub mod smoke;
pub mod store;
