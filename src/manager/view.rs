//! The published snapshot that readers look at; nobody locks the dispatcher.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Record, RunnerId};

/// All records as of the dispatcher's last commit.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Every runner that is known, gone ones too until they are forgotten.
    pub runners: BTreeMap<RunnerId, Arc<Record>>,
    /// The `seq` of the newest journal entry; 0 while there is none.
    pub journal_head: u64,
    /// Why LXD does not answer, if it does not.
    pub lxd_trouble: Option<String>,
}
