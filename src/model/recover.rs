//! Records on one side, LXD's list on the other: the events that repair the difference.
//!
//! Used when the manager starts, when the event stream may have missed something, and by the
//! slow sweep. The list is older than the records by the time it is looked at, so what it lacks
//! is only asked about, never taken for gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Action, CloudRunnerState, Event, Handover, InstanceName, NamePrefix, Phase, Record, RunnerId,
    Spec,
};

/// An instance of ours as LXD lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its name.
    pub name: InstanceName,
    /// What it was made from, as its keys tell.
    pub spec: Spec,
    /// Its state.
    pub state: CloudRunnerState,
}

/// What is to be done about the difference.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovery {
    /// News for known runners.
    pub events: Vec<(RunnerId, Event)>,
    /// Runners to ask LXD about: they should be in the list and are not.
    pub asks: Vec<(RunnerId, Action)>,
    /// Records for instances that are in none.
    pub adopted: Vec<Record>,
    /// Instances whose runner was seen to be gone: to be removed.
    pub orphans: Vec<InstanceName>,
}

/// Compares the records with LXD's list of the instances that carry our keys.
///
/// `credentials` are the runners whose credential is in memory.
pub fn recover(
    records: &BTreeMap<RunnerId, Arc<Record>>,
    observed: &[Observed],
    credentials: &BTreeSet<RunnerId>,
    prefix: &NamePrefix,
    now: Timestamp,
) -> Recovery {
    let mut recovery = Recovery::default();
    let ours = observed.iter().filter(|one| one.name.prefix() == prefix);
    let listed: BTreeMap<&RunnerId, &Observed> = ours.map(|one| (one.name.id(), one)).collect();
    for (id, one) in &listed {
        match records.get(*id) {
            None => {
                recovery.adopted.push(Record::adopted(one.name.clone(), one.spec.clone(), now));
                recovery.events.push(((*id).clone(), first_news(one)));
            }
            Some(record) if record.phase == Phase::Gone => {
                recovery.orphans.push(one.name.clone());
            }
            Some(_) => recovery.events.push(((*id).clone(), Event::Seen(one.state))),
        }
    }
    for (id, record) in records {
        if record.made && record.phase != Phase::Gone && !listed.contains_key(id) {
            recovery.asks.push((id.clone(), Action::Inspect));
        }
        if has_lost_credential(record) && !credentials.contains(id) {
            recovery.events.push((id.clone(), Event::CredentialLost));
        }
    }
    recovery
}

/// An instance in no record that does not run will never run: nobody waits for it.
fn first_news(one: &Observed) -> Event {
    match one.state {
        CloudRunnerState::Created | CloudRunnerState::Stopped | CloudRunnerState::Error => {
            let reason = "found in LXD, in no record and not running".to_owned();
            Event::RemovalWanted { force: true, reason }
        }
        CloudRunnerState::Active
        | CloudRunnerState::Deleted
        | CloudRunnerState::Unknown
        | CloudRunnerState::Unexpected => Event::Seen(one.state),
    }
}

fn has_lost_credential(record: &Record) -> bool {
    matches!(record.handover, Handover::Wanted | Handover::Pushing)
        && record.phase <= Phase::Standby
}
