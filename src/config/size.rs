//! Sizes with a unit, as LXD takes them ("Storage units" in its documentation).

use serde::Deserialize;

use crate::model::{SIZE_UNITS, bytes};

/// A size as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub(super) String);

/// A size in bytes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Bytes(pub(super) u64);

/// A number of bytes with the largest unit that leaves no rest.
pub(super) fn text(bytes: u64) -> String {
    let binary = SIZE_UNITS.iter().rev().filter(|(name, _)| *name == "B" || name.ends_with("iB"));
    let fits = |factor: u64| bytes >= factor && bytes.is_multiple_of(factor);
    let (unit, factor) =
        binary.into_iter().find(|(_, factor)| fits(*factor)).copied().unwrap_or(("B", 1));
    format!("{}{unit}", bytes.checked_div(factor).unwrap_or_default())
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match bytes(&text) {
            Some(1..) => Ok(Self(text)),
            Some(0) | None => {
                Err(format!("{text:?} is no size: write a number and a unit, like \"4GiB\""))
            }
        }
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        bytes(&text).map(Self).ok_or_else(|| {
            format!("{text:?} is no size: write a number and a unit, like \"4GiB\" or \"0B\"")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_in_bytes() {
        for (size, count) in [
            ("0B", Some(0)),
            ("7B", Some(7)),
            ("3kB", Some(3_000)),
            ("4GiB", Some(4 << 30)),
            ("20GB", Some(20_000_000_000)),
            ("15EiB", Some(15 << 60)),
            ("16EiB", None),
            ("4", None),
            ("GiB", None),
            ("+4GiB", None),
            ("-4GiB", None),
            ("4 GiB", None),
            ("4gib", None),
            ("4.5GiB", None),
            ("", None),
        ] {
            assert_eq!(bytes(size), count, "{size:?}");
        }
    }

    #[test]
    fn a_written_size_reads_back() {
        for count in [0, 1, 1023, 1024, 1536, 2 << 30, 10 << 40, 20_000_000_000, u64::MAX] {
            assert_eq!(bytes(&text(count)), Some(count), "{}", text(count));
        }
        assert_eq!((text(2 << 30), text(1536)), ("2GiB".to_owned(), "1536B".to_owned()));
    }
}
