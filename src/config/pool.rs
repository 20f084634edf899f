//! `[[pool]]`: what runners there are to be, where they register, and how many.

use std::num::{NonZeroU16, NonZeroU32};

use jiff::SignedDuration;
use serde::Deserialize;

use super::connection::NO_AUTH;
use super::fragment::DeadlineFragment;
use super::name::{Labels, PlainName, RunnerGroup, TargetPath};
use super::place::{Faults, Place, Placed};
use super::size::Size;
use super::value::{ImageAlias, Length, Name};
use crate::model::{DEFAULT_CONNECTION, Deadlines, GitHubPath, InstanceType, Pool, Spec, Target};

const MAX: u16 = 4;
const IDLE_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// One `[[pool]]` as written, or several of one name merged.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolFragment {
    name: Placed<PlainName>,
    github: Option<Placed<TargetPath>>,
    connection: Option<Placed<PlainName>>,
    group: Option<Placed<RunnerGroup>>,
    labels: Option<Labels>,
    image: Option<ImageAlias>,
    #[serde(rename = "type")]
    instance_type: Option<InstanceType>,
    profiles: Option<Vec<Name>>,
    cpu: Option<NonZeroU32>,
    memory: Option<Size>,
    disk: Option<Size>,
    nesting: Option<bool>,
    min_idle: Option<Placed<u16>>,
    standby: Option<Placed<u16>>,
    frozen: Option<Placed<u16>>,
    share: Option<PlainName>,
    max: Option<Placed<NonZeroU16>>,
    priority: Option<i32>,
    idle_timeout: Option<Length>,
    job: Option<Placed<Length>>,
    #[serde(default)]
    deadlines: DeadlineFragment,
}

/// All `[[pool]]` tables of a file, or of several merged.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct PoolFragments(Vec<PoolFragment>);

/// What pools take from elsewhere in the configuration.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// What instances are like where a pool does not say.
    pub(super) spec: &'a Spec,
    /// How long things may take where a pool does not say.
    pub(super) deadlines: DeadlineFragment,
    /// The names of all further connections.
    pub(super) connections: Vec<&'a str>,
    /// Whether `[github]` says what to show GitHub, rightly or wrongly.
    pub(super) default_has_auth: bool,
    /// How long a guest lives without a credential.
    pub(super) lifetime: SignedDuration,
    /// How many runners there may be in all.
    pub(super) max_runners: Option<usize>,
}

impl PoolFragment {
    fn merge(&mut self, later: Self, file: usize) {
        self.name = later.name.in_file(file);
        merge_placed!(self, later, file: github, connection, group, min_idle, standby, frozen);
        merge_placed!(self, later, file: max, job);
        merge!(self, later: labels, image, instance_type, profiles, cpu, memory, disk);
        merge!(self, later: nesting, share, priority, idle_timeout);
        self.deadlines.merge(&later.deadlines);
    }

    fn check(self, around: &Surroundings<'_>, faults: &mut Faults) -> Option<Pool> {
        let target = self.target(around, faults);
        let deadlines = self.deadlines(around, faults);
        let (min_idle, max) = self.numbers(faults);
        let (standby, frozen) = self.standbys(faults);
        let Self { name: Placed { value: PlainName(name), .. }, image, profiles, .. } = self;
        let (memory, disk) = (self.memory.map(|size| size.0), self.disk.map(|size| size.0));
        let base = around.spec.clone();
        let spec = Spec {
            fingerprint: String::new(),
            baked: None,
            pool: name.clone(),
            image: image.map_or(base.image, |alias| alias.0),
            instance_type: self.instance_type.unwrap_or(base.instance_type),
            profiles: profiles
                .map_or(base.profiles, |names| names.into_iter().map(|name| name.0).collect()),
            cpu: self.cpu.map(NonZeroU32::get).or(base.cpu),
            memory: memory.or(base.memory),
            disk: disk.or(base.disk),
            guest: base.guest,
            nesting: self.nesting.unwrap_or(base.nesting),
            share: self.share.map_or(base.share, |word| word.0),
        };
        Some(Pool {
            name,
            target: target?,
            labels: self.labels.unwrap_or_default().with_own(),
            spec,
            min_idle,
            standby,
            frozen,
            lifetime: Some(around.lifetime),
            max,
            priority: self.priority.unwrap_or_default(),
            idle_timeout: self.idle_timeout.map_or(IDLE_TIMEOUT, |length| length.0),
            deadlines,
        })
    }

    fn target(&self, around: &Surroundings<'_>, faults: &mut Faults) -> Option<Target> {
        let name = &self.name.value.0;
        let Some(github) = &self.github else {
            let message = format!(
                "the pool \"{name}\" has no `github`: say where its runners register, \
                 OWNER/REPOSITORY or ORGANISATION"
            );
            faults.add(self.name.place, message);
            return None;
        };
        let connection = self.connection(github.place, around, faults);
        let path = match (&github.value.0, &self.group) {
            (GitHubPath::Repo { .. }, Some(group)) => {
                let message = "`group` is given for a repository: only organisations have runner \
                    groups";
                faults.add(group.place, message.to_owned());
                return None;
            }
            (path, Some(group)) => path.clone().with_group(&group.value.0),
            (path, None) => path.clone(),
        };
        Some(Target { connection: connection?, path })
    }

    fn connection(
        &self,
        github: Place,
        around: &Surroundings<'_>,
        faults: &mut Faults,
    ) -> Option<String> {
        let given = self.connection.as_ref();
        let name = given.map_or(DEFAULT_CONNECTION, |name| name.value.0.as_str());
        let place = given.map_or(github, |name| name.place);
        if name == DEFAULT_CONNECTION && !around.default_has_auth {
            let pool = &self.name.value.0;
            faults.add(place, format!("the pool \"{pool}\" uses `[github]`, which {NO_AUTH}"));
            return None;
        }
        if name != DEFAULT_CONNECTION && !around.connections.contains(&name) {
            let message = format!("there is no connection \"{name}\": add `[connection.{name}]`");
            faults.add(place, message);
            return None;
        }
        Some(name.to_owned())
    }

    fn deadlines(&self, around: &Surroundings<'_>, faults: &mut Faults) -> Deadlines {
        let mut deadlines = around.deadlines;
        deadlines.merge(&self.deadlines);
        if let Some(job) = &self.job {
            if self.deadlines.job.is_some() {
                faults.add(job.place, "`job` is given twice: also in `deadlines`".to_owned());
            }
            deadlines.job = Some(job.value);
        }
        deadlines.into_deadlines()
    }

    /// How many runners wait at least, and how many there may be.
    fn numbers(&self, faults: &mut Faults) -> (usize, usize) {
        let max = usize::from(self.max.as_ref().map_or(MAX, |max| max.value.get()));
        let of_whom = if self.max.is_some() { "`max`" } else { "the default of `max`" };
        if let Some(wish) = &self.min_idle
            && usize::from(wish.value) > max
        {
            let message = format!("`min_idle` is {}, but {of_whom} is only {max}", wish.value);
            faults.add(wish.place, message);
        }
        (count(self.min_idle.as_ref()), max)
    }

    /// How many standbys there are to be, and how many of them frozen.
    fn standbys(&self, faults: &mut Faults) -> (usize, usize) {
        let (standby, frozen) = (count(self.standby.as_ref()), count(self.frozen.as_ref()));
        if let Some(wish) = self.frozen.as_ref().filter(|_| frozen > standby) {
            let message = format!(
                "`frozen` is {frozen}, but `standby` is only {standby}: so many of the standbys are \
                 frozen"
            );
            faults.add(wish.place, message);
        }
        (standby, frozen)
    }

    /// Where its wishes for runners in advance were written, if it has any.
    fn wishes(&self) -> Option<Place> {
        let wished = |wish: &&Placed<u16>| wish.value > 0;
        let standby = self.standby.as_ref().filter(wished);
        self.min_idle.as_ref().filter(wished).or(standby).map(|wish| wish.place)
    }
}

impl PoolFragments {
    /// Pools of one name are joined over files; within one file that is a mistake.
    pub(super) fn merge(&mut self, later: Self, file: usize, faults: &mut Faults) {
        for pool in later.0 {
            let name = &pool.name.value;
            let known = self.0.iter_mut().find(|known| known.name.value == *name);
            if let Some(known) = known {
                let place = pool.name.place.in_file(file);
                if known.name.place.shares_file_with(place) {
                    faults.add(place, format!("this file has another pool \"{}\"", name.0));
                }
                known.merge(pool, file);
            } else {
                let mut new = PoolFragment::default();
                new.merge(pool, file);
                self.0.push(new);
            }
        }
    }

    pub(super) fn into_pools(self, around: &Surroundings<'_>, faults: &mut Faults) -> Vec<Pool> {
        let wishes = self.0.iter().filter_map(PoolFragment::wishes).next_back();
        let standbys: Vec<Option<Place>> =
            self.0.iter().map(|pool| pool.standby.as_ref().map(|wish| wish.place)).collect();
        let pools: Vec<Pool> =
            self.0.into_iter().filter_map(|pool| pool.check(around, faults)).collect();
        if let (Some(place), Some(limit)) = (wishes, around.max_runners) {
            let wanted = in_advance(&pools);
            if wanted > limit {
                let message = format!(
                    "the pools want {wanted} runners in advance (`min_idle`, and `standby` for each \
                     shape of instance), but `limits.max_runners` is {limit}"
                );
                faults.add(place, message);
            }
        }
        // With a faulty pool left out, the others of its shape would seem to be too few.
        if pools.len() == standbys.len() {
            complain_of_standbys(&pools, &standbys, faults);
        }
        pools
    }
}

/// Standbys serve all pools of their shape: more than these may have are good for nothing.
fn complain_of_standbys(pools: &[Pool], places: &[Option<Place>], faults: &mut Faults) {
    for (pool, place) in pools.iter().zip(places) {
        let alike = pools.iter().filter(|other| other.spec.same_shape(&pool.spec));
        let room: usize = alike.map(|other| other.max).sum();
        if let Some(place) = place
            && pool.standby > room
        {
            let message = format!(
                "`standby` is {}, but all pools with this shape of instance may have only {room} \
                 runners (`max`)",
                pool.standby
            );
            faults.add(*place, message);
        }
    }
}

/// How many runners there are to be while no job waits. Standbys are shared by pools of one shape,
/// the greatest wish counts.
fn in_advance(pools: &[Pool]) -> usize {
    let mut shapes: Vec<(&Spec, usize)> = Vec::new();
    for pool in pools {
        match shapes.iter_mut().find(|(spec, _)| spec.same_shape(&pool.spec)) {
            Some((_, standby)) => *standby = (*standby).max(pool.standby),
            None => shapes.push((&pool.spec, pool.standby)),
        }
    }
    let idle: usize = pools.iter().map(|pool| pool.min_idle).sum();
    idle + shapes.iter().map(|(_, standby)| standby).sum::<usize>()
}

fn count(wish: Option<&Placed<u16>>) -> usize {
    wish.map_or(0, |wish| usize::from(wish.value))
}
