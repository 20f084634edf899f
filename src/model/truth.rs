//! Three truths about a runner, LXD's, GitHub's and the guest's: what it is called when they
//! differ, and when that is acted upon.
//!
//! Each of the three is late at times, so that one look decides nothing: a difference has to be
//! there still when its deadline has passed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    GitHubRunner, Handover, InstanceName, NamePrefix, Phase, Record, Registration, RunnerId, Target,
};

/// GitHub's lists lag behind what it has done.
const LIST_LAG: SignedDuration = SignedDuration::from_secs(15);

/// A difference between what LXD, GitHub and the guest say of a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    /// Its process listens, and GitHub does not know it: no job will ever come.
    Ghost,
    /// GitHub knows it, and there is no instance.
    LeakedRecord,
    /// There is an instance, and nothing else: no process in it that runs jobs.
    Zombie,
    /// It was made for one job and took another.
    Stolen,
    /// It was registered, and GitHub does not see it online.
    Deaf,
    /// LXD has an instance of ours that no record knows.
    Orphan,
    /// GitHub gives no jobs to its version of the runner application any more.
    Doomed,
}

/// GitHub's runners of one target.
#[derive(Debug, Clone)]
pub struct Roll<'a> {
    /// The target.
    pub target: &'a Target,
    /// Its runners.
    pub runners: &'a [GitHubRunner],
    /// When GitHub was asked for them.
    pub asked_at: Timestamp,
}

/// A mismatch that was seen, and is acted upon if it is still there later.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suspicion {
    since: Timestamp,
    deadline: SignedDuration,
    target: Target,
    /// The runner's number at GitHub, where it has one.
    registration: Option<u64>,
}

/// A mismatch whose deadline has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The runner.
    pub name: InstanceName,
    /// What is wrong.
    pub mismatch: Mismatch,
    /// Where it is registered or should be.
    pub target: Target,
    /// Its number at GitHub, where it has one.
    pub registration: Option<u64>,
    /// Since when it was seen.
    pub since: Timestamp,
}

/// What has been seen and is not decided yet.
#[derive(Debug, Clone, Default)]
pub struct Suspicions(BTreeMap<(InstanceName, Mismatch), Suspicion>);

impl Mismatch {
    /// How long it has to be there before it is acted upon.
    pub fn deadline(self) -> SignedDuration {
        match self {
            Self::Ghost | Self::LeakedRecord => SignedDuration::from_secs(30),
            Self::Deaf => SignedDuration::from_mins(1),
            // These are certain as soon as they are seen; a zombie has the grace of its process.
            Self::Zombie | Self::Stolen | Self::Orphan | Self::Doomed => SignedDuration::ZERO,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::LeakedRecord => "leaked-record",
            Self::Zombie => "zombie",
            Self::Stolen => "stolen",
            Self::Deaf => "deaf",
            Self::Orphan => "orphan",
            Self::Doomed => "doomed",
        }
    }
}

/// How long a registration that no record of ours knows has to be offline: it may belong to
/// another larm with the same name prefix, whose runner is coming up.
const STRANGER_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

impl Suspicions {
    /// Weighs GitHub's list against the records; returns what is to be acted upon now.
    pub fn weigh(
        &mut self,
        records: &BTreeMap<RunnerId, Arc<Record>>,
        prefix: &NamePrefix,
        roll: &Roll<'_>,
    ) -> Vec<Finding> {
        let found = differences(records, prefix, roll);
        self.0.retain(|key, one| one.target != *roll.target || found.contains_key(key));
        for (key, fresh) in found {
            let since = self.0.get(&key).map_or(fresh.since, |known| known.since);
            self.0.insert(key, Suspicion { since, ..fresh });
        }
        let due = |one: &Suspicion| one.target == *roll.target && one.due() <= roll.asked_at;
        let due: Vec<_> =
            self.0.iter().filter(|(_, one)| due(one)).map(|(key, _)| key.clone()).collect();
        due.into_iter().filter_map(|key| Some(finding(self.0.remove(&key)?, key))).collect()
    }

    /// When one of a target's suspicions is to be looked at again.
    pub fn next_due(&self, target: &Target) -> Option<Timestamp> {
        self.0.values().filter(|one| one.target == *target).map(Suspicion::due).min()
    }
}

impl Suspicion {
    fn due(&self) -> Timestamp {
        self.since.saturating_add(self.deadline).unwrap_or(Timestamp::MAX)
    }
}

fn finding(suspicion: Suspicion, (name, mismatch): (InstanceName, Mismatch)) -> Finding {
    let Suspicion { since, target, registration, .. } = suspicion;
    Finding { name, mismatch, target, registration, since }
}

type Found = BTreeMap<(InstanceName, Mismatch), Suspicion>;

fn differences(
    records: &BTreeMap<RunnerId, Arc<Record>>,
    prefix: &NamePrefix,
    roll: &Roll<'_>,
) -> Found {
    let mut found = Found::new();
    let mut listed = BTreeMap::new();
    for runner in roll.runners {
        let Ok(name) = runner.name.parse::<InstanceName>() else { continue };
        if name.prefix() != prefix {
            continue;
        }
        let known = records.get(name.id());
        if let Some((mismatch, deadline)) = difference(known.map(Arc::as_ref), runner, roll) {
            let suspicion = Suspicion {
                since: roll.asked_at,
                deadline,
                target: roll.target.clone(),
                registration: Some(runner.id),
            };
            found.insert((name.clone(), mismatch), suspicion);
        }
        listed.insert(name.id().clone(), runner.id);
    }
    for record in records.values().filter(|record| is_ghost(record, roll)) {
        if !listed.contains_key(record.id()) {
            let suspicion = Suspicion {
                since: roll.asked_at,
                deadline: Mismatch::Ghost.deadline(),
                target: roll.target.clone(),
                registration: None,
            };
            found.insert((record.name.clone(), Mismatch::Ghost), suspicion);
        }
    }
    found
}

/// What is wrong with a runner that GitHub lists, and how long that has to be so.
fn difference(
    record: Option<&Record>,
    runner: &GitHubRunner,
    roll: &Roll<'_>,
) -> Option<(Mismatch, SignedDuration)> {
    if runner.busy {
        return None;
    }
    let leaked = Mismatch::LeakedRecord;
    let Some(record) = record else {
        return (!runner.online).then_some((leaked, STRANGER_DEADLINE));
    };
    let mine = record.binding.as_ref().is_some_and(|one| one.target == *roll.target);
    match record.phase {
        Phase::Gone => Some((leaked, leaked.deadline())),
        Phase::Standby | Phase::Listening if mine && !runner.online => {
            let handed_over = record.handed_over_at.filter(|at| is_old_news(*at, roll))?;
            (handed_over <= roll.asked_at).then_some((Mismatch::Deaf, Mismatch::Deaf.deadline()))
        }
        Phase::Planned
        | Phase::Creating
        | Phase::Booting
        | Phase::Standby
        | Phase::Listening
        | Phase::Busy
        | Phase::Finished
        | Phase::Failed
        | Phase::Deleting => None,
    }
}

fn is_ghost(record: &Record, roll: &Roll<'_>) -> bool {
    let mine = record.binding.as_ref().is_some_and(|one| one.target == *roll.target);
    let registered = matches!(record.registration, Registration::Known(_) | Registration::Sought);
    mine && registered
        && record.phase == Phase::Listening
        && record.handover == Handover::Taken
        && is_old_news(record.since(), roll)
}

fn is_old_news(at: Timestamp, roll: &Roll<'_>) -> bool {
    at.saturating_add(LIST_LAG).unwrap_or(Timestamp::MAX) <= roll.asked_at
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
#[path = "truth/tests.rs"]
mod tests;
