//! Records on one side, LXD's list on the other: the events that repair the difference.
//!
//! Used when the manager starts, when the event stream may have missed something, and by the
//! slow sweep. The list is older than the records by the time it is looked at, so what it lacks
//! is only asked about, never taken for gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Action, CloudRunnerState, Event, Frost, Handover, InstanceName, Keeper, NamePrefix, Phase,
    Record, RunnerId, Spec,
};

/// An instance of ours as LXD lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its name.
    pub name: InstanceName,
    /// What it was made from, as its keys tell.
    pub spec: Spec,
    /// Who decides what becomes of it, as its keys tell.
    pub keeper: Keeper,
    /// Its state, if nobody of us has frozen it.
    pub state: CloudRunnerState,
    /// Whether LXD says that it is frozen.
    pub frozen: bool,
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
                let (name, spec) = (one.name.clone(), one.spec.clone());
                let mut record = Record::adopted(name, spec, one.keeper, now);
                // Who froze it is not known any more; whether it is needed, the farm decides anew.
                if is_of_farm_and_frozen(one) {
                    record.frost = Frost::Thawing;
                }
                recovery.adopted.push(record);
                recovery.events.push(((*id).clone(), first_news(one)));
            }
            Some(record) if record.phase == Phase::Gone => {
                recovery.orphans.push(one.name.clone());
            }
            Some(_) => recovery.events.push(((*id).clone(), news(one))),
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
    if is_of_farm_and_frozen(one) {
        return Event::SeenFrozen;
    }
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

fn news(one: &Observed) -> Event {
    if one.frozen { Event::SeenFrozen } else { Event::Seen(one.state) }
}

fn is_of_farm_and_frozen(one: &Observed) -> bool {
    one.frozen && one.keeper == Keeper::Farm
}

fn has_lost_credential(record: &Record) -> bool {
    matches!(record.handover, Handover::Wanted | Handover::Pushing)
        && record.phase <= Phase::Standby
        // GitHub gives another one.
        && record.binding.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstanceType;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const PHASES: usize = Phase::ALL.len();

    fn spec() -> Spec {
        Spec::new("default", "debian", InstanceType::Container)
    }

    fn name(n: u64) -> InstanceName {
        InstanceName::new("t".parse().unwrap(), RunnerId::from_bits(n))
    }

    fn record(n: u64, phase: usize, made: bool, claimed: bool) -> Record {
        let phase = Phase::ALL[phase];
        Record { phase, made, ..Record::planned(name(n), spec(), claimed, NOW) }
    }

    proptest! {
        /// Whatever the two sides hold: each instance of ours is met once, and nothing is taken for
        /// gone because a list lacks it.
        #[test]
        fn every_difference_is_met(
            records in prop::collection::btree_map(0u64..12, (0..PHASES, any::<bool>(), any::<bool>()), 0..12),
            listed in prop::collection::btree_map(0u64..12, any::<bool>(), 0..12),
            strangers in 0u64..3,
        ) {
            let records: BTreeMap<RunnerId, Arc<Record>> = records
                .into_iter()
                .map(|(n, (phase, made, claimed))| record(n, phase, made, claimed))
                .map(|record| (record.id().clone(), Arc::new(record)))
                .collect();
            let state = |runs| if runs { CloudRunnerState::Active } else { CloudRunnerState::Stopped };
            let mut observed: Vec<Observed> = listed
                .iter()
                .map(|(n, runs)| Observed { name: name(*n), spec: spec(), keeper: Keeper::Person, state: state(*runs), frozen: false })
                .collect();
            let other = |n| InstanceName::new("other".parse().unwrap(), RunnerId::from_bits(n));
            observed.extend((0..strangers).map(|n| {
                Observed { name: other(n), spec: spec(), keeper: Keeper::Farm, state: CloudRunnerState::Stopped, frozen: false }
            }));
            let prefix = "t".parse().unwrap();
            let found = recover(&records, &observed, &BTreeSet::new(), &prefix, NOW);
            prop_assert!(found.orphans.iter().all(|name| *name.prefix() == prefix));
            prop_assert!(found.adopted.iter().all(|record| *record.name.prefix() == prefix));
            for n in listed.keys() {
                let (id, name) = (RunnerId::from_bits(*n), name(*n));
                let known = records.get(&id);
                let gone = known.is_some_and(|record| record.phase == Phase::Gone);
                let adopted = found.adopted.iter().filter(|record| *record.id() == id).count();
                let orphaned = found.orphans.iter().filter(|one| **one == name).count();
                let seen = |event: &Event| !matches!(event, Event::CredentialLost);
                let told = found.events.iter().filter(|(one, event)| *one == id && seen(event)).count();
                prop_assert_eq!(adopted, usize::from(known.is_none()));
                prop_assert_eq!(orphaned, usize::from(gone));
                prop_assert_eq!(told, usize::from(!gone));
            }
            for (id, record) in &records {
                let missing = !listed.keys().any(|n| RunnerId::from_bits(*n) == *id);
                let wanted = missing && record.made && record.phase != Phase::Gone;
                prop_assert_eq!(found.asks.contains(&(id.clone(), Action::Inspect)), wanted);
                let gone = Event::Seen(CloudRunnerState::Deleted);
                prop_assert!(!found.events.contains(&(id.clone(), gone)), "taken for gone");
            }
        }
    }
}
