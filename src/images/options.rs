//! What a build needs to know.

use std::time::Duration;

use super::base::Base;
use crate::application::Cached;
use crate::lxd::Client;
use crate::model::{Recipe, Spec};

/// What a build needs to know.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// LXD, in the runners' project.
    pub client: Client,
    /// The image's alias.
    pub alias: String,
    /// What it is made from; the recipe's own base is not looked at.
    pub base: Base,
    /// What is done to it.
    pub recipe: Recipe,
    /// The runner application's archive, where the recipe has the application.
    pub application: Option<Cached>,
    /// The kind of instance, its profiles and its share of the host.
    pub spec: Spec,
    /// How many older good generations are kept.
    pub keep: usize,
    /// Whether an image that does not prove good is kept, to be looked at.
    pub keep_failed: bool,
    /// How long the whole build may take.
    pub limit: Duration,
    /// How long an instance may take to boot, and a canary to be ready.
    pub boot: Duration,
}
