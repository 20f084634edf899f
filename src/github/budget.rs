//! The budget of requests that GitHub gives (GitHub documentation, "Rate limits for the REST
//! API"): read from every answer, and kept from being spent to the end.
//!
//! A part stays in reserve for removals: a runner that cannot be removed costs more than one that
//! cannot be made. GitHub gives one budget per account of the credential and resource, so it is
//! kept by installation and resource.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::error::GitHubErrorKind;
use super::text::line;

/// The most that is kept in reserve.
const RESERVE: u64 = 100;
/// The reserve is one request of so many.
const RESERVE_SHARE: u64 = 20;
/// The longest window that GitHub has, and a minute for clocks that differ. A time that lies
/// further ahead is a clock that is wrong, and must not stop larm for longer.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_mins(61);
/// GitHub has a handful of kinds of requests; a proxy that makes up more does not fill the memory.
const MOST_WINDOWS: usize = 1000;
/// The longest name of a kind of requests that is kept, in characters.
const TEXT: usize = 60;

/// How many requests are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many GitHub gives per window; 0 while nothing is known.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
    /// When a new window begins.
    pub resets_at: Option<Timestamp>,
    /// Until when GitHub wants no requests at all.
    pub paused_until: Option<Timestamp>,
}

/// What an answer says of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    resource: String,
    limit: u64,
    pub(super) remaining: u64,
    /// What GitHub says, by which answers of one window are told from those of another.
    resets_at: Timestamp,
    /// Until when it is believed.
    pub(super) until: Timestamp,
}

/// What is known of the budgets of one connection.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    windows: BTreeMap<(u64, String), Limits>,
    paused_until: Option<Timestamp>,
}

impl Limits {
    /// Reads the `x-ratelimit-*` headers of an answer that came now.
    pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|text| text.trim().parse::<u64>().ok());
        let resets_at = i64::try_from(number("x-ratelimit-reset")?).ok()?;
        let resets_at = Timestamp::from_second(resets_at).ok()?;
        Some(Self {
            resource: line(text("x-ratelimit-resource").unwrap_or("core"), TEXT),
            limit: number("x-ratelimit-limit")?,
            remaining: number("x-ratelimit-remaining")?,
            resets_at,
            until: resets_at.min(now.saturating_add(LONGEST_WINDOW).unwrap_or(resets_at)),
        })
    }

    fn reserve(&self) -> u64 {
        RESERVE.min(self.limit.div_ceil(RESERVE_SHARE))
    }
}

impl Budgets {
    /// Whether a request that is no removal may be sent now.
    pub(super) fn admit(
        &self,
        installation: u64,
        resources: &[&str],
        now: Timestamp,
    ) -> Result<(), GitHubErrorKind> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = known.paused_until.filter(|until| *until > now) {
            return Err(GitHubErrorKind::Paused { until });
        }
        for resource in resources {
            let window = known.windows.get(&(installation, (*resource).to_owned()));
            let Some(window) = window.filter(|window| window.until > now) else { continue };
            if window.remaining <= window.reserve() {
                return Err(GitHubErrorKind::BudgetSpent { until: window.until });
            }
        }
        Ok(())
    }

    /// Takes in what an answer says.
    ///
    /// Answers of concurrent requests come in any order: within a window the least counts.
    pub(super) fn note(&self, installation: u64, headers: &HeaderMap, now: Timestamp) {
        let Some(mut limits) = Limits::read(headers, now) else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (installation, limits.resource.clone());
        if let Some(before) = known.windows.get(&key).filter(|before| before.until > now) {
            if before.resets_at > limits.resets_at {
                return;
            }
            if before.resets_at == limits.resets_at {
                limits.remaining = limits.remaining.min(before.remaining);
            }
        }
        if known.windows.len() >= MOST_WINDOWS {
            known.windows.retain(|_, window| window.until > now);
        }
        if known.windows.len() < MOST_WINDOWS || known.windows.contains_key(&key) {
            known.windows.insert(key, limits);
        }
    }

    /// Takes in that GitHub wants a pause.
    pub(super) fn pause(&self, until: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.paused_until = known.paused_until.max(Some(until));
    }

    /// The window of which the least is left.
    pub(super) fn view(&self, now: Timestamp) -> Budget {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let running = known.windows.values().filter(|window| window.until > now);
        let tightest = running.min_by_key(|window| window.remaining);
        Budget {
            limit: tightest.map_or(0, |window| window.limit),
            remaining: tightest.map_or(0, |window| window.remaining),
            resets_at: tightest.map(|window| window.until),
            paused_until: known.paused_until.filter(|until| *until > now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(limit: u64, remaining: u64, reset: i64) -> HeaderMap {
        let pairs = [
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_reserve_is_kept_until_the_window_ends() {
        let budgets = Budgets::default();
        assert!(budgets.admit(0, &["core"], at(0)).is_ok(), "nothing is known yet");
        budgets.note(0, &headers(5000, 101, 100), at(0));
        assert!(budgets.admit(0, &["core"], at(0)).is_ok());
        budgets.note(0, &headers(5000, 100, 100), at(0));
        let spent = GitHubErrorKind::BudgetSpent { until: at(100) };
        assert_eq!(budgets.admit(0, &["core"], at(0)), Err(spent));
        assert!(budgets.admit(1, &["core"], at(0)).is_ok(), "another installation");
        assert!(budgets.admit(0, &["search"], at(0)).is_ok(), "another resource");
        assert!(budgets.admit(0, &["core"], at(100)).is_ok(), "a new window");
        assert_eq!(budgets.view(at(0)).remaining, 100);
    }

    #[test]
    fn an_answer_that_is_late_does_not_fill_the_budget() {
        let budgets = Budgets::default();
        budgets.note(0, &headers(60, 3, 100), at(0));
        budgets.note(0, &headers(60, 4, 100), at(0));
        budgets.note(0, &headers(60, 60, 99), at(0));
        assert_eq!(budgets.view(at(0)).remaining, 3);
        budgets.note(0, &headers(60, 59, 200), at(0));
        assert_eq!(budgets.view(at(0)).remaining, 59);
    }

    #[test]
    fn a_time_that_cannot_be_does_not_stop_larm_for_ever() {
        let budgets = Budgets::default();
        budgets.note(0, &headers(5000, 0, 253_370_764_800), at(0));
        let until = at(61 * 60);
        assert_eq!(budgets.admit(0, &["core"], at(0)), Err(GitHubErrorKind::BudgetSpent { until }));
        assert!(budgets.admit(0, &["core"], until).is_ok());
        budgets.note(0, &headers(5000, 4000, 7000), until);
        assert_eq!(budgets.view(until).remaining, 4000, "what is right is believed again");
    }

    #[test]
    fn kinds_of_requests_that_are_made_up_do_not_fill_the_memory() {
        let budgets = Budgets::default();
        for n in 0..2 * MOST_WINDOWS {
            let mut made_up = headers(5000, 1, 100);
            made_up.insert("x-ratelimit-resource", format!("r{n}").parse().unwrap());
            budgets.note(0, &made_up, at(0));
        }
        assert_eq!(budgets.known.lock().unwrap().windows.len(), MOST_WINDOWS);
        budgets.note(0, &headers(60, 1, 200), at(100));
        assert_eq!(budgets.known.lock().unwrap().windows.len(), 1);
    }

    #[test]
    fn a_pause_is_never_cut_short() {
        let budgets = Budgets::default();
        budgets.pause(at(50));
        budgets.pause(at(20));
        let paused = GitHubErrorKind::Paused { until: at(50) };
        assert_eq!(budgets.admit(0, &[], at(49)), Err(paused));
        assert!(budgets.admit(0, &[], at(50)).is_ok());
    }
}
