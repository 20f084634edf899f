//! How things were: for lists that lag behind.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::State;
use crate::smoke::standin::record::{JobRecord, RunnerRecord};

/// How things were after each change, as far back as the lag reaches.
#[derive(Debug, Default)]
pub(super) struct Past(VecDeque<Moment>);

#[derive(Debug)]
struct Moment {
    at: Timestamp,
    runners: Vec<RunnerRecord>,
    jobs: Vec<JobRecord>,
}

impl Past {
    pub(super) fn beginning(runners: Vec<RunnerRecord>, jobs: Vec<JobRecord>) -> Self {
        Self([Moment { at: Timestamp::MIN, runners, jobs }].into())
    }

    pub(super) fn keep(
        &mut self,
        at: Timestamp,
        lag: Duration,
        runners: Vec<RunnerRecord>,
        jobs: Vec<JobRecord>,
    ) {
        self.0.push_back(Moment { at, runners, jobs });
        // The first one that stays is what a list shows that lags the most.
        while self.0.get(1).is_some_and(|second| before(at, lag, second.at)) {
            self.0.pop_front();
        }
    }

    fn at(&self, now: Timestamp, lag: Duration) -> Option<&Moment> {
        self.0.iter().rev().find(|moment| before(now, lag, moment.at))
    }
}

/// Whether `then` is at least `lag` before `now`.
fn before(now: Timestamp, lag: Duration, then: Timestamp) -> bool {
    now.duration_since(then).unsigned_abs() >= lag && then <= now
}

impl State {
    /// The runners as lists show them.
    pub(in crate::smoke) fn listed_runners(&self, now: Timestamp) -> Vec<RunnerRecord> {
        if self.faults.list_lag == Duration::ZERO {
            return self.runners();
        }
        let moment = self.past.at(now, self.faults.list_lag);
        moment.map(|moment| moment.runners.clone()).unwrap_or_default()
    }

    /// The jobs as lists show them.
    pub(in crate::smoke) fn listed_jobs(&self, now: Timestamp) -> Vec<JobRecord> {
        if self.faults.list_lag == Duration::ZERO {
            return self.jobs();
        }
        let moment = self.past.at(now, self.faults.list_lag);
        moment.map(|moment| moment.jobs.clone()).unwrap_or_default()
    }
}
