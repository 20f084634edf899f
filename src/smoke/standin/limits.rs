//! Rate limits (GitHub documentation, "Rate limits for the REST API"): the primary one of every
//! caller, and the secondary one when it is ordered.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long a window of the primary limit is.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// GitHub's primary limit: requests per hour.
const CORE: u64 = 5000;

/// A secondary limit that is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondaryLimit {
    /// 403 or 429.
    pub status: u16,
    /// What `Retry-After` says; without it the header is left out.
    pub retry_after: Option<Duration>,
    /// For how long.
    pub span: LimitSpan,
}

/// For how long a limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSpan {
    /// For so many requests.
    Requests(u32),
    /// From the order on for so long.
    For(Duration),
}

/// How far a caller has used its primary limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) limit: u64,
    pub(super) used: u64,
    /// When it starts again from 0.
    pub(super) reset: Timestamp,
}

/// The limits, and what was used of them.
#[derive(Debug)]
pub(super) struct Limits {
    core: u64,
    used: BTreeMap<String, Usage>,
    secondary: Option<(SecondaryLimit, Timestamp)>,
}

impl Limits {
    /// Sets the primary limit; what was used is forgotten.
    pub(super) fn set_core(&mut self, core: u64) {
        self.core = core;
        self.used.clear();
    }

    pub(super) fn order(&mut self, limit: SecondaryLimit, now: Timestamp) {
        self.secondary = Some((limit, now));
    }

    /// The secondary limit, where one holds; a request is taken from it.
    pub(super) fn take_secondary(&mut self, now: Timestamp) -> Option<SecondaryLimit> {
        let (limit, since) = self.secondary.as_mut()?;
        let holds = match &mut limit.span {
            LimitSpan::Requests(0) => false,
            LimitSpan::Requests(left) => {
                *left -= 1;
                true
            }
            LimitSpan::For(span) => now.duration_since(*since).unsigned_abs() < *span,
        };
        if holds {
            return Some(*limit);
        }
        self.secondary = None;
        None
    }

    pub(super) fn usage(&mut self, caller: &str, now: Timestamp) -> Usage {
        let reset = now.saturating_add(WINDOW).unwrap_or(Timestamp::MAX);
        let fresh = Usage { limit: self.core, used: 0, reset };
        let usage = self.used.entry(caller.to_owned()).or_insert(fresh);
        if usage.reset <= now {
            *usage = fresh;
        }
        *usage
    }

    /// Counts a request.
    pub(super) fn count(&mut self, caller: &str, now: Timestamp) {
        self.usage(caller, now);
        if let Some(usage) = self.used.get_mut(caller) {
            usage.used += 1;
        }
    }
}

impl Usage {
    pub(super) fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { core: CORE, used: BTreeMap::new(), secondary: None }
    }
}
