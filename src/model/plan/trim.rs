//! What goes: runners that are not what their pool makes now, and those that nobody needs. Only
//! ever such as have no job.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::census::{frozen_until, is_doomed, later};
use super::frost;
use super::serve::{Server, Shape};
use super::{Move, Plan};
use crate::model::{Cost, Mismatch, Phase, Pool, Record};

/// Takes out what nobody needs, and returns the plan.
pub(super) fn trim(mut server: Server<'_>) -> Plan {
    let mut trim = Trim { server: &mut server, chosen: BTreeSet::new() };
    trim.outdated();
    trim.old_standbys();
    trim.surplus_standbys();
    trim.surplus_idle();
    trim.make_room();
    let Trim { chosen, .. } = trim;
    frost::tend(&mut server, &chosen);
    server.plan
}

struct Trim<'s, 'a> {
    server: &'s mut Server<'a>,
    chosen: BTreeSet<String>,
}

impl<'a> Trim<'_, 'a> {
    /// One runner of a pool after the other, so that the pool goes on serving; all at once where
    /// there is no pool to serve any more.
    fn outdated(&mut self) {
        for record in self.server.census.outdated.clone() {
            let pool = self.server.farm.pools.iter().find(|pool| pool.name == record.pool());
            let reason = match (pool, &record.binding) {
                _ if is_doomed(self.server.farm, record) => {
                    "GitHub gives no jobs to its version of the runner any more".to_owned()
                }
                (None, _) => format!("pool {} is no more", record.pool()),
                (Some(_), None) if frozen_until(self.server.farm, record).is_some() => {
                    "its guest's lifetime ends soon".to_owned()
                }
                (Some(_), None) => "no pool makes instances like it any more".to_owned(),
                (Some(pool), Some(_)) if self.is_rolling(pool) => continue,
                (Some(pool), Some(_)) => format!("pool {} makes other runners now", pool.name),
            };
            self.retire(record, reason);
        }
    }

    fn is_rolling(&self, pool: &Pool) -> bool {
        let places = self.server.census.held.get(pool.name.as_str());
        places.into_iter().flatten().any(|record| {
            let waits = record.phase < Phase::Busy;
            waits && (record.removal.is_some() || self.chosen.contains(record.id().as_str()))
        })
    }

    /// Standbys of an older image go when as many of the new one are ready; and where the host has
    /// no room for both, one after the other.
    fn old_standbys(&mut self) {
        for Shape { pool, standby, .. } in self.server.shapes() {
            let alike = |one: &&Record| one.spec.same_but_image(&pool.spec);
            let old: Vec<_> = self.server.old.iter().copied().filter(alike).collect();
            let new = self.server.free.iter().copied();
            let new = new.filter(|one| one.spec.same_shape(&pool.spec));
            let (ready, coming): (Vec<_>, Vec<_>) =
                new.partition(|one| one.phase == Phase::Standby);
            let is_stuck = coming.is_empty()
                && ready.len() < standby
                && self.server.is_starved(pool, 0, Cost::default())
                && self.leaving().0 == 0;
            let surplus = (ready.len() + old.len()).saturating_sub(standby);
            for record in old.into_iter().take(surplus.max(usize::from(is_stuck))) {
                self.retire(record, "its image is not used any more".to_owned());
            }
        }
    }

    fn surplus_standbys(&mut self) {
        for Shape { pool, standby: wanted, .. } in self.server.shapes() {
            let of_shape = |one: &&Record| one.spec.same_shape(&pool.spec);
            let free: Vec<_> = self.server.free.iter().copied().filter(of_shape).collect();
            let mut surplus = free.len().saturating_sub(wanted);
            // The last in the list have come the least far.
            for record in free.into_iter().rev() {
                if surplus == 0 {
                    break;
                }
                surplus -= 1;
                // What is half made may be wanted by the time it is ready.
                if record.phase == Phase::Planned {
                    self.retire(record, "nobody needs it any more".to_owned());
                } else if record.phase == Phase::Standby {
                    let reason = "nobody needs it".to_owned();
                    self.retire_after(record, self.patience(pool), reason);
                }
            }
        }
    }

    /// The most patient pool of a shape decides.
    fn patience(&self, of: &Pool) -> SignedDuration {
        let alike = self.server.farm.pools.iter().filter(|pool| pool.spec.same_shape(&of.spec));
        alike.map(|pool| pool.idle_timeout).max().unwrap_or(of.idle_timeout)
    }

    fn surplus_idle(&mut self) {
        for pool in self.server.farm.pools {
            let Some(spare) = self.server.spare.get(pool.name.as_str()).cloned() else { continue };
            let surplus = spare.len().saturating_sub(pool.min_idle);
            let mut listening: Vec<_> =
                spare.into_iter().filter(|one| one.phase == Phase::Listening).collect();
            listening.sort_by_key(|record| record.since());
            for record in listening.into_iter().take(surplus) {
                let reason = format!("pool {} has no job for it", pool.name);
                self.retire_after(record, pool.idle_timeout, reason);
            }
        }
    }

    /// Standbys and idle runners give way to jobs that find the host full, unless enough is on its
    /// way out already.
    fn make_room(&mut self) {
        let (mut count, mut freed) = self.leaving();
        for pool in self.server.starved.clone() {
            let mut victims: Vec<&Record> = Vec::new();
            while self.server.is_starved(pool, count + victims.len(), freed) {
                // Where all of them together would not do, none has to go.
                let Some(victim) = self.victim(pool, &victims) else { return };
                freed = freed.plus(Cost::of(&victim.spec));
                victims.push(victim);
            }
            count += victims.len();
            for victim in victims {
                self.retire(victim, format!("makes room for a job of pool {}", pool.name));
            }
            (count, freed) = (count.saturating_sub(1), freed.minus(Cost::of(&pool.spec)));
        }
    }

    /// How many are on their way out, and what they take up still.
    fn leaving(&self) -> (usize, Cost) {
        let records = self.server.farm.records.values();
        let leaves = |record: &&Arc<Record>| {
            let chosen = self.chosen.contains(record.id().as_str());
            let ends = (Phase::Finished..Phase::Gone).contains(&record.phase);
            (ends && !record.is_held(self.server.farm.now))
                || chosen
                || (record.removal.is_some() && record.phase < Phase::Busy)
        };
        records.filter(leaves).fold((0, Cost::default()), |(count, sum), one| {
            (count + 1, sum.plus(Cost::of(&one.spec)))
        })
    }

    fn victim(&self, pool: &Pool, before: &[&Record]) -> Option<&'a Record> {
        let open = |record: &&Record| {
            let chosen = self.chosen.contains(record.id().as_str());
            let before = before.iter().any(|one| one.id() == record.id());
            !chosen && !before && self.may_ask(record).is_ok()
        };
        let now = self.server.farm.now;
        let held = self.server.farm.records.values().map(AsRef::as_ref);
        let held = held.filter(|record| record.is_held_as_failed(now)).find(open);
        if held.is_some() {
            return held;
        }
        let old = self.server.old.iter().copied().find(open);
        if old.is_some() {
            return old;
        }
        let standby = |record: &&Record| {
            record.phase == Phase::Standby && !record.spec.same_shape(&pool.spec)
        };
        let free = self.server.free.iter().copied().filter(standby).find(open);
        free.or_else(|| {
            // A job that is there counts for more than one that may come, whatever the pools'
            // priorities; the least important pool gives first.
            let mut pools: Vec<_> = self.server.farm.pools.iter().collect();
            pools.sort_by_key(|pool| pool.priority);
            let spare =
                pools.into_iter().filter_map(|one| self.server.spare.get(one.name.as_str()));
            spare.flatten().copied().filter(|one| one.phase == Phase::Listening).find(open)
        })
    }

    fn retire_after(&mut self, record: &Record, kept: SignedDuration, reason: String) {
        let due = later(record.since(), kept);
        if due <= self.server.farm.now {
            self.retire(record, reason);
        } else {
            self.server.look_again(due);
        }
    }

    /// `false` where it was refused lately.
    fn retire(&mut self, record: &Record, reason: String) -> bool {
        if let Err(until) = self.may_ask(record) {
            self.server.look_again(until);
            return false;
        }
        if record.is_held(self.server.farm.now) {
            self.chosen.insert(record.id().to_string());
            self.server.plan.moves.push(Move::Release { runner: record.id().clone() });
            return true;
        }
        if self.chosen.insert(record.id().to_string()) && record.removal.is_none() {
            let mismatch = is_doomed(self.server.farm, record).then_some(Mismatch::Doomed);
            let runner = record.id().clone();
            self.server.plan.moves.push(Move::Retire { runner, reason, mismatch });
        }
        true
    }

    /// What was refused is not asked for again at once.
    fn may_ask(&self, record: &Record) -> Result<(), Timestamp> {
        let until = record.kept_until.filter(|_| record.kept.is_some());
        until.filter(|until| *until > self.server.farm.now).map_or(Ok(()), Err)
    }
}
