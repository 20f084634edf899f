//! `[isolation]`: what guests may reach beside the public Internet.

use serde::{Deserialize, Serialize};

use crate::model::isolation::{Block, Endpoint};

/// What guests may reach beside the public Internet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IsolationSettings {
    /// Whether the daemon keeps the rules of isolated bridges.
    pub enforce: bool,
    /// What guests may reach though it is not public.
    pub allow: Vec<Endpoint>,
    /// What they may not reach though it is public, or allowed.
    pub deny: Vec<Block>,
}

/// `[isolation]` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct IsolationFragment {
    enforce: Option<bool>,
    allow: Option<Vec<EndpointText>>,
    deny: Option<Vec<BlockText>>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct EndpointText(Endpoint);

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct BlockText(Block);

impl IsolationFragment {
    pub(super) fn merge(&mut self, later: Self) {
        merge!(self, later: enforce, allow, deny);
    }

    pub(super) fn into_settings(self) -> IsolationSettings {
        let allow = self.allow.unwrap_or_default().into_iter();
        let deny = self.deny.unwrap_or_default().into_iter();
        IsolationSettings {
            enforce: self.enforce.unwrap_or(true),
            allow: allow.map(|one| one.0).collect(),
            deny: deny.map(|one| one.0).collect(),
        }
    }
}

impl TryFrom<String> for EndpointText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: crate::model::isolation::EndpointError| error.to_string())
    }
}

impl TryFrom<String> for BlockText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: crate::model::isolation::BlockError| error.to_string())
    }
}
