//! What happened to each runner, for people and for `larm events`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{InstanceName, MetricEvent, Mismatch, Phase, RunnerMetrics};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Its place: grows by one with each entry.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The runner it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<InstanceName>,
    /// What happened.
    pub what: JournalKind,
}

/// What happened to a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JournalKind {
    /// It entered a phase.
    Phase {
        /// The new phase.
        phase: Phase,
        /// The one before.
        from: Option<Phase>,
        /// Why, where there is more to say than the phase itself.
        reason: Option<String>,
        /// When the guest entered it by its own clock, where the guest told.
        guest_at: Option<Timestamp>,
    },
    /// Its metrics are complete. Written once per runner.
    Metrics {
        /// What it left behind.
        metrics: RunnerMetrics,
    },
    /// What monitoring is told of it. Written once for each thing that happens.
    Metric {
        /// The event, as it goes to the events file.
        metric: MetricEvent,
    },
    /// LXD, GitHub and its guest say different things of it.
    Mismatch {
        /// What that is called.
        mismatch: Mismatch,
        /// What was seen and what is done, in plain words.
        text: String,
    },
    /// Something that did not change its phase.
    Note {
        /// In plain words.
        text: String,
    },
}

impl JournalKind {
    /// What it tells people, on one line; nothing of metrics, which are for machines.
    pub fn story(&self) -> Option<String> {
        Some(match self {
            Self::Phase { phase, reason: None, .. } => phase.to_string(),
            Self::Phase { phase, reason: Some(reason), .. } => format!("{phase}: {reason}"),
            Self::Mismatch { mismatch, text } => format!("{mismatch}: {text}"),
            Self::Note { text } => text.clone(),
            Self::Metrics { .. } | Self::Metric { .. } => return None,
        })
    }
}
