//! Which version of the runner application is to be used: the newest that GitHub offers for this
//! machine and still talks to. Pure.
//!
//! GitHub lists downloads (REST API, "List runner applications"), and tells until when each version
//! may be used. The date is always read and never computed: past it a listener connects, gets no
//! job and ends with code 0.

use jiff::Timestamp;

use super::entry::Wanted;
use crate::model::{Deprecation, Download};

/// The version to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What to fetch.
    pub wanted: Wanted,
    /// When GitHub stops giving it jobs, if a date is set.
    pub ends: Option<Timestamp>,
}

/// Why no version can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoChoice {
    /// There is none for this machine.
    #[error("GitHub lists no runner application for linux on {0}")]
    NotListed(String),
    /// All of them are past their date.
    #[error(
        "GitHub gives runner application {version} no jobs since {ended}, and lists no newer one"
    )]
    Doomed {
        /// The newest.
        version: String,
        /// When it ended.
        ended: Timestamp,
    },
    /// Nothing would tell whether it came whole.
    #[error("GitHub lists runner application {0} without a SHA-256")]
    Unverifiable(String),
}

/// GitHub's word for the architecture of this machine; `None` if there is no runner application
/// for it.
pub fn host_architecture() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("x64"),
        "aarch64" => Some("arm64"),
        "arm" => Some("arm"),
        _ => None,
    }
}

/// Chooses the newest version for linux on `architecture` that is not past its date at `now`.
///
/// # Errors
/// [`NoChoice`] if there is none.
pub fn choose(
    downloads: &[Download],
    deprecations: &[Deprecation],
    architecture: &str,
    now: Timestamp,
) -> Result<Choice, NoChoice> {
    let fits = |one: &&Download| one.os == "linux" && one.architecture == architecture;
    let mut fitting: Vec<_> = downloads
        .iter()
        .filter(fits)
        .filter_map(|one| Some((numbers(&one.version)?, one)))
        .collect();
    fitting.sort_by(|(one, _), (other, _)| other.cmp(one));
    let mut why = None;
    for (_, one) in fitting {
        match judge(one, deprecations, now) {
            Ok(choice) => return Ok(choice),
            Err(refused) => why.get_or_insert(refused),
        };
    }
    Err(why.unwrap_or_else(|| NoChoice::NotListed(architecture.to_owned())))
}

fn judge(one: &Download, deprecations: &[Deprecation], now: Timestamp) -> Result<Choice, NoChoice> {
    let told = deprecations.iter().filter(|told| told.version == one.version);
    let ends = told.filter_map(Deprecation::end).min();
    if let Some(ended) = ends.filter(|at| *at <= now) {
        return Err(NoChoice::Doomed { version: one.version.clone(), ended });
    }
    let Some(sha256) = &one.sha256 else {
        return Err(NoChoice::Unverifiable(one.version.clone()));
    };
    let wanted = Wanted {
        version: one.version.clone(),
        url: one.url.clone(),
        sha256: sha256.to_ascii_lowercase(),
        filename: one.filename.clone(),
    };
    Ok(Choice { wanted, ends })
}

/// A version as numbers, which compare as versions do; `None` for what is no release.
pub(super) fn numbers(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn download(version: &str, os: &str, architecture: &str) -> Download {
        Download {
            os: os.into(),
            architecture: architecture.into(),
            url: format!("https://github.example/{version}.tar.gz"),
            filename: format!("actions-runner-{os}-{architecture}-{version}.tar.gz"),
            sha256: Some("AB".repeat(32)),
            version: version.into(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ends(version: &str, second: i64) -> Deprecation {
        Deprecation { version: version.into(), runtime_ends: Some(at(second)), too_old: false }
    }

    #[test]
    fn the_newest_for_this_machine_is_chosen_by_its_numbers() {
        let downloads = [
            download("2.99.1", "linux", "x64"),
            download("2.330.0", "linux", "x64"),
            download("2.331.0", "linux", "arm64"),
            download("2.332.0", "win", "x64"),
            download("2.400.0-rc1", "linux", "x64"),
        ];
        let none = Deprecation { version: "2.330.0".into(), runtime_ends: None, too_old: false };
        let choice = choose(&downloads, &[none], "x64", at(0)).unwrap();
        assert_eq!((&*choice.wanted.version, choice.ends), ("2.330.0", None));
        assert_eq!(choice.wanted.sha256, "ab".repeat(32));
        let other = choose(&downloads, &[ends("2.331.0", 9)], "arm64", at(8)).unwrap();
        assert_eq!((&*other.wanted.version, other.ends), ("2.331.0", Some(at(9))));
    }

    #[test]
    fn one_past_its_date_or_without_checksum_is_never_chosen() {
        let downloads = [download("2.330.0", "linux", "x64"), download("2.329.0", "linux", "x64")];
        let chosen = choose(&downloads, &[ends("2.330.0", 5)], "x64", at(5)).unwrap();
        assert_eq!(chosen.wanted.version, "2.329.0");
        let all = [ends("2.330.0", 5), ends("2.329.0", 4)];
        let refused = choose(&downloads, &all, "x64", at(6)).unwrap_err();
        assert_eq!(refused, NoChoice::Doomed { version: "2.330.0".into(), ended: at(5) });
        let bare = [Download { sha256: None, ..downloads[0].clone() }];
        let refused = choose(&bare, &[], "x64", at(0)).unwrap_err();
        assert_eq!(refused, NoChoice::Unverifiable("2.330.0".into()));
        assert_eq!(
            choose(&bare, &[], "arm", at(0)).unwrap_err(),
            NoChoice::NotListed("arm".into())
        );
    }

    proptest! {
        /// Nothing past its date is chosen, and nothing newer that could have been is left.
        #[test]
        fn the_choice_is_the_newest_that_lives(
            all in prop::collection::btree_map((0u64..4, 0u64..400), prop::option::of(0i64..10), 0..8),
            now in 0i64..10,
        ) {
            let name = |(major, minor): (u64, u64)| format!("{major}.{minor}.0");
            let downloads: Vec<_> =
                all.keys().map(|version| download(&name(*version), "linux", "x64")).collect();
            let dates: Vec<_> = all
                .iter()
                .filter_map(|(version, end)| Some(ends(&name(*version), (*end)?)))
                .collect();
            let living = all.iter().filter(|(_, end)| end.is_none_or(|end| end > now));
            let newest = living.map(|(version, _)| name(*version)).next_back();
            let chosen = choose(&downloads, &dates, "x64", at(now)).ok();
            prop_assert_eq!(chosen.map(|choice| choice.wanted.version), newest);
        }
    }
}
