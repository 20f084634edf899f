//! Our marks on an instance: the `user.larm.*` keys, which make it ours and tell what it was
//! made from, so that a lost store is rebuilt from LXD.

use std::collections::BTreeMap;

use crate::model::{InstanceType, Keeper, NamePrefix, Record, Spec};

/// Names the manager whose instance it is, by its prefix.
pub const MANAGER: &str = "user.larm.manager";
/// On an instance that runners are copied from, or that tries out how they are made, its own name.
/// Copies carry it too.
pub const SEED: &str = "user.larm.seed";
const POOL: &str = "user.larm.pool";
const IMAGE: &str = "user.larm.image";
const RUNNER: &str = "user.larm.runner";
const DISK: &str = "user.larm.disk";
const FINGERPRINT: &str = "user.larm.fingerprint";
const BAKED: &str = "user.larm.baked";
const GUEST: &str = "user.larm.guest";
const SHARE: &str = "user.larm.share";
const NESTING: &str = "user.larm.nesting";
const KEEPER: &str = "user.larm.keeper";
const FARM: &str = "farm";

/// The keys that an instance of ours carries.
pub(super) fn marks(record: &Record) -> BTreeMap<String, String> {
    let spec = &record.spec;
    [
        (MANAGER, record.name.prefix().as_str()),
        (RUNNER, record.id().as_str()),
        (POOL, spec.pool.as_str()),
        (IMAGE, spec.image.as_str()),
    ]
    .into_iter()
    .chain(spec.disk.as_deref().map(|disk| (DISK, disk)))
    .chain(Some((FINGERPRINT, spec.fingerprint.as_str())).filter(|(_, is)| !is.is_empty()))
    .chain(Some((GUEST, spec.guest.as_str())).filter(|_| !spec.guest.is_empty()))
    .chain(spec.baked.as_deref().map(|version| (BAKED, version)))
    .chain(Some((SHARE, spec.share.as_str())).filter(|_| !spec.share.is_empty()))
    .chain(spec.nesting.then_some((NESTING, "true")))
    .chain(record.is_of_farm().then_some((KEEPER, FARM)))
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// Whether an instance with this configuration is one of this manager's.
pub(super) fn are_ours(config: &BTreeMap<String, String>, prefix: &NamePrefix, id: &str) -> bool {
    let is = |key, value| config.get(key).is_some_and(|found| found == value);
    is(MANAGER, prefix.as_str()) && is(RUNNER, id)
}

/// What an instance of ours was made from.
pub(super) fn spec(
    config: &BTreeMap<String, String>,
    instance_type: InstanceType,
    profiles: &[String],
) -> Spec {
    let text = |key: &str| config.get(key).cloned();
    Spec {
        pool: text(POOL).unwrap_or_default(),
        image: text(IMAGE).unwrap_or_default(),
        fingerprint: text(FINGERPRINT).unwrap_or_default(),
        baked: text(BAKED),
        instance_type,
        profiles: profiles.to_vec(),
        cpu: text("limits.cpu").and_then(|cpus| cpus.parse().ok()),
        memory: text("limits.memory"),
        disk: text(DISK),
        guest: text(GUEST).unwrap_or_default(),
        nesting: config.get(NESTING).is_some_and(|nesting| nesting == "true"),
        share: text(SHARE).unwrap_or_default(),
    }
}

/// Who decides what becomes of an instance of ours.
pub(super) fn keeper(config: &BTreeMap<String, String>) -> Keeper {
    if config.get(KEEPER).is_some_and(|keeper| keeper == FARM) {
        Keeper::Farm
    } else {
        Keeper::Person
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_instance_with_both_marks_is_ours() {
        let spec = Spec {
            pool: "small".into(),
            image: "debian".into(),
            fingerprint: "0f".into(),
            baked: Some("2.330.0".into()),
            instance_type: InstanceType::Container,
            profiles: vec!["larm".into()],
            cpu: None,
            memory: None,
            disk: Some("10GiB".into()),
            guest: "ab12".into(),
            nesting: true,
            share: "web".into(),
        };
        let prefix: NamePrefix = "larm".parse().unwrap();
        let name = "larm-0123456789ab".parse().unwrap();
        let mut record = Record::planned(name, spec.clone(), false, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(keeper(&marks(&record)), Keeper::Person);
        record.keeper = Keeper::Farm;
        let mut config = marks(&record);
        assert_eq!(keeper(&config), Keeper::Farm);
        assert!(are_ours(&config, &prefix, "0123456789ab"));
        assert!(!are_ours(&config, &"other".parse().unwrap(), "0123456789ab"));
        assert!(!are_ours(&config, &prefix, "ffffffffffff"));
        assert_eq!(super::spec(&config, spec.instance_type, &spec.profiles), spec);
        config.remove(RUNNER);
        assert!(!are_ours(&config, &prefix, "0123456789ab"));
    }
}
