//! Groups of this machine, from group(5).

use std::fs;
use std::io;

use serde::{Serialize, Serializer};

const GROUPS: &str = "/etc/group";

/// A group of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, or its number where it is known by that.
    pub name: String,
    /// Its number.
    pub id: u32,
}

impl Group {
    /// Finds a group by its name or number, if there is one. Groups that only a directory service
    /// knows are found by number.
    pub(super) fn find(name: &str) -> io::Result<Option<Self>> {
        let id = match name.parse() {
            Ok(number) => Some(number),
            Err(_) => id_in(&fs::read_to_string(GROUPS)?, name),
        };
        Ok(id.map(|id| Self { name: name.to_owned(), id }))
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

fn id_in(text: &str, name: &str) -> Option<u32> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find_map(|fields| {
        match fields.as_slice() {
            [group, _, id, ..] if *group == name => id.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_and_number() {
        assert_eq!(id_in("root:x:0:\nlarm:x:977:ann,bob\n", "larm"), Some(977));
        assert_eq!(id_in("larmy:x:1:\nlarm:x:\n", "larm"), None);
        assert_eq!(Group::find("root").unwrap().unwrap().id, 0);
        assert_eq!(Group::find("1234").unwrap().unwrap().id, 1234);
        assert_eq!(Group::find("no-such-group").unwrap(), None);
    }
}
