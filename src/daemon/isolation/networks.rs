//! The networks that profiles give to instances.

use std::collections::{BTreeMap, BTreeSet};

use crate::lxd::{Client, Config, Error, Network, Profile};

/// The networks of some profiles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// Those that LXD manages: each once, by name.
    pub managed: Vec<Network>,
    /// Network cards on anything else, like a bridge of the host's: LXD has no ACLs there.
    pub loose: Vec<Card>,
}

/// A network card of a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Card {
    /// The profile.
    pub profile: String,
    /// The device's name.
    pub device: String,
    /// What it is on, as far as the profile says: a network's name, an interface of the host's.
    pub on: String,
}

impl Networks {
    /// Looks the networks of profiles up; a profile that is not there has none.
    pub async fn of(client: &Client, profiles: &BTreeSet<String>) -> Result<Self, Error> {
        let mut cards = Vec::new();
        for profile in profiles {
            cards.extend(client.profile(profile).await?.iter().flat_map(cards_of));
        }
        let mut managed = BTreeMap::new();
        let names: BTreeSet<&str> = cards.iter().filter_map(|(_, on)| on.as_deref()).collect();
        for name in names {
            if let Some(found) = client.network(name).await?.filter(|network| network.managed) {
                managed.insert(name.to_owned(), found);
            }
        }
        let is_loose = |on: &Option<String>| on.as_ref().is_none_or(|on| !managed.contains_key(on));
        let mut loose: Vec<Card> =
            cards.into_iter().filter(|(_, on)| is_loose(on)).map(|(card, _)| card).collect();
        loose.sort_unstable();
        Ok(Self { managed: managed.into_values().collect(), loose })
    }
}

/// The cards of a profile, with the networks of LXD's that they name.
fn cards_of(profile: &Profile) -> impl Iterator<Item = (Card, Option<String>)> {
    let is_card = |device: &Config| device.get("type").is_some_and(|kind| kind == "nic");
    profile.devices.iter().filter(move |(_, device)| is_card(device)).map(|(name, device)| {
        let get = |key| device.get(key).cloned();
        let network = get("network");
        let on = network.clone().or_else(|| get("parent")).or_else(|| get("nictype"));
        let on = on.unwrap_or_else(|| "nothing that is known".to_owned());
        (Card { profile: profile.name.clone(), device: name.clone(), on }, network)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_on_bridges_of_the_hosts_are_seen() {
        let device = |pairs: &[(&str, &str)]| -> Config {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let devices = [
            ("eth0", device(&[("type", "nic"), ("network", "larmbr0")])),
            ("eth1", device(&[("type", "nic"), ("nictype", "bridged"), ("parent", "br0")])),
            ("root", device(&[("type", "disk"), ("path", "/")])),
        ];
        let devices = devices.map(|(name, device)| (name.to_owned(), device)).into();
        let profile = Profile { name: "p".to_owned(), devices, ..Profile::default() };
        let cards = cards_of(&profile).map(|(card, network)| (card.device, card.on, network));
        let wanted = [
            ("eth0".to_owned(), "larmbr0".to_owned(), Some("larmbr0".to_owned())),
            ("eth1".to_owned(), "br0".to_owned(), None),
        ];
        assert_eq!(cards.collect::<Vec<_>>(), wanted);
    }
}
