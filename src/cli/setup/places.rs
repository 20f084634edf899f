//! Which storage pool and which bridge are meant: those that were asked for, else those of an
//! earlier run. Decides, and does nothing.

use super::profile::MARK;
use crate::lxd;

/// The pool and the bridge of a host that has none of larm's yet.
const OWN_POOL: &str = "larm";
const OWN_BRIDGE: &str = "larmbr0";

/// A storage pool and a bridge, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) pool: String,
    pub(super) bridge: String,
}

impl Places {
    /// What was asked for; else what larm's own profile in `found` names, so that a plain
    /// `larm setup` does not undo the arguments of the one before; else larm's own.
    pub(super) fn choose<'a>(
        pool: Option<&str>,
        bridge: Option<&str>,
        found: impl Iterator<Item = &'a lxd::Profile>,
    ) -> Self {
        let marked: Vec<&lxd::Profile> =
            found.filter(|profile| profile.config.contains_key(MARK)).collect();
        let of_profile = |kind: &str, key: &str| {
            let mut devices = marked.iter().flat_map(|profile| profile.devices.values());
            devices.find(|device| device.get("type").is_some_and(|is| is == kind))?.get(key)
        };
        let choose = |asked: Option<&str>, earlier: Option<&String>, own: &str| {
            asked.or(earlier.map(String::as_str)).unwrap_or(own).to_owned()
        };
        Self {
            pool: choose(pool, of_profile("disk", "pool"), OWN_POOL),
            bridge: choose(bridge, of_profile("nic", "network"), OWN_BRIDGE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> lxd::Config {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn profile(config_of_it: &[(&str, &str)]) -> lxd::Profile {
        let root = config(&[("type", "disk"), ("path", "/"), ("pool", "default")]);
        let eth0 = config(&[("type", "nic"), ("network", "lxdbr0")]);
        lxd::Profile {
            config: config(config_of_it),
            devices: [("root".to_owned(), root), ("eth0".to_owned(), eth0)].into(),
            ..lxd::Profile::default()
        }
    }

    fn names(places: &Places) -> (&str, &str) {
        (&places.pool, &places.bridge)
    }

    /// `larm setup --pool default --bridge lxdbr0`, then `larm setup`: the second one made a pool
    /// and a bridge of its own and moved the profile there.
    #[test]
    fn a_second_run_stays_where_the_first_one_went() {
        let ours = profile(&[(MARK, "1")]);
        let again = Places::choose(None, None, [&ours].into_iter());
        assert_eq!(names(&again), ("default", "lxdbr0"));
        let moved = Places::choose(Some("fast"), None, [&ours].into_iter());
        assert_eq!(names(&moved), ("fast", "lxdbr0"));
    }

    #[test]
    fn a_profile_of_others_decides_nothing() {
        let theirs = profile(&[]);
        let places = Places::choose(None, None, [&theirs].into_iter());
        assert_eq!(names(&places), ("larm", "larmbr0"));
        let bare = Places::choose(None, Some("br7"), std::iter::empty());
        assert_eq!(names(&bare), ("larm", "br7"));
    }
}
