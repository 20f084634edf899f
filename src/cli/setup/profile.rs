//! The LXD profiles that come with larm (`profiles/`), filled in for one host.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The files of `profiles/`, each a [`Profile`].
const FILES: [(&str, &str); 1] =
    [("profiles/larm.toml", include_str!("../../../profiles/larm.toml"))];

/// Marks a profile as made by `larm setup`, which alone makes it one that setup may change.
pub(in crate::cli) const MARK: &str = "user.larm.profile";
const MARK_VALUE: &str = "1";

/// A profile's settings, or one device's.
pub(in crate::cli) type Settings = BTreeMap<String, String>;

/// An LXD profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Profile {
    pub(in crate::cli) name: String,
    pub(in crate::cli) description: String,
    pub(in crate::cli) config: Settings,
    pub(in crate::cli) devices: BTreeMap<String, Settings>,
}

/// What a profile is filled in with.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Host {
    /// The storage pool.
    pub(in crate::cli) pool: String,
    /// The bridge.
    pub(in crate::cli) bridge: String,
    /// Whether the firewall can filter by address on a bridge.
    pub(in crate::cli) filters: bool,
    /// Whether this LXD says `boot.mode` instead of `security.secureboot` (API extension
    /// `instance_boot_mode`).
    pub(in crate::cli) boot_mode: bool,
}

/// A file of ours that cannot be read; tests keep it from happening.
#[derive(Debug, thiserror::Error)]
#[error("{file} is broken")]
pub(in crate::cli) struct ProfileError {
    file: &'static str,
    source: toml::de::Error,
}

/// All profiles, for one host.
pub(in crate::cli) fn all(host: &Host) -> Result<Vec<Profile>, ProfileError> {
    Ok(as_written()?.into_iter().map(|profile| profile.for_host(host)).collect())
}

/// The names of all profiles.
pub(in crate::cli) fn names() -> Result<Vec<String>, ProfileError> {
    Ok(as_written()?.into_iter().map(|profile| profile.name).collect())
}

fn as_written() -> Result<Vec<Profile>, ProfileError> {
    let read = |(file, text)| toml::from_str(text).map_err(|source| ProfileError { file, source });
    FILES.into_iter().map(read).collect()
}

impl Profile {
    fn for_host(mut self, host: &Host) -> Self {
        self.config.insert(MARK.to_owned(), MARK_VALUE.to_owned());
        if host.boot_mode && self.config.remove("security.secureboot").is_some() {
            self.config.insert("boot.mode".to_owned(), "uefi-nosecureboot".to_owned());
        }
        for device in self.devices.values_mut() {
            match device.get("type").map(String::as_str) {
                Some("disk") => {
                    device.insert("pool".to_owned(), host.pool.clone());
                }
                Some("nic") => {
                    device.insert("network".to_owned(), host.bridge.clone());
                    device.retain(|key, _| host.filters || !key.ends_with("_filtering"));
                }
                _ => {}
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host { pool: "p".to_owned(), bridge: "b".to_owned(), filters: true, boot_mode: false }
    }

    #[test]
    fn the_profile_is_filled_in() {
        let profiles = all(&host()).unwrap();
        let [profile] = profiles.as_slice() else { panic!("{profiles:?}") };
        assert_eq!(profile.name, "larm");
        assert_eq!(profile.config[MARK], "1");
        assert_eq!(profile.config["boot.autostart"], "false");
        assert_eq!(profile.devices["root"]["pool"], "p");
        assert_eq!(profile.devices["eth0"]["network"], "b");
        assert!(profile.devices["eth0"].contains_key("security.mac_filtering"));
    }

    #[test]
    fn what_a_host_cannot_do_is_left_out() {
        let plain = Host { filters: false, boot_mode: true, ..host() };
        let profiles = all(&plain).unwrap();
        let eth0 = &profiles[0].devices["eth0"];
        assert!(!eth0.keys().any(|key| key.ends_with("_filtering")));
        assert!(eth0.contains_key("security.port_isolation"));
        assert_eq!(profiles[0].config["boot.mode"], "uefi-nosecureboot");
        assert!(!profiles[0].config.contains_key("security.secureboot"));
    }
}
