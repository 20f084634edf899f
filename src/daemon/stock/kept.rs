//! What was measured, kept in the state directory: a host is measured once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Place;
use crate::model::Way;

const FILE: &str = "creation.json";

/// What each way took in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// When that was.
    pub at: Timestamp,
    /// Milliseconds from the order to a running container, or to a machine that could be started:
    /// the best of several tries.
    pub took: BTreeMap<Way, u64>,
}

/// What was measured, by [`Place::key`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kept(BTreeMap<String, Measured>);

impl Kept {
    /// What is kept in a state directory: nothing if the file is not there or damaged, as it is
    /// measured again then.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(state_dir: &Path) -> io::Result<Self> {
        match fs::read(file(state_dir)) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// What was measured in a place.
    pub fn of(&self, place: &Place) -> Option<&Measured> {
        self.0.get(&place.key())
    }

    pub(super) fn add(&mut self, place: &Place, measured: Measured) {
        self.0.insert(place.key(), measured);
    }

    pub(super) fn write(&self, state_dir: &Path) -> io::Result<()> {
        let new = state_dir.join(format!("{FILE}.new"));
        fs::write(&new, serde_json::to_vec_pretty(self).map_err(io::Error::other)?)?;
        fs::rename(new, file(state_dir))
    }
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstanceType;

    #[test]
    fn what_was_measured_is_remembered_and_damage_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place {
            pool: "fast".to_owned(),
            driver: "zfs".to_owned(),
            instance_type: InstanceType::Container,
        };
        assert_eq!(Kept::read(directory.path()).unwrap(), Kept::default());
        let mut kept = Kept::default();
        let took = [(Way::Image, 900), (Way::Snapshot, 300)].into();
        kept.add(&place, Measured { at: Timestamp::UNIX_EPOCH, took });
        kept.write(directory.path()).unwrap();
        let read = Kept::read(directory.path()).unwrap();
        assert_eq!(read, kept);
        assert_eq!(read.of(&place).unwrap().took[&Way::Snapshot], 300);
        assert_eq!(read.of(&Place { driver: "dir".to_owned(), ..place }), None);
        fs::write(directory.path().join(FILE), "{").unwrap();
        assert_eq!(Kept::read(directory.path()).unwrap(), Kept::default());
    }
}
