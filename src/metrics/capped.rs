//! Label values that others choose: only so many of them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// How many different values such a label may have.
pub const LABEL_VALUES: usize = 100;
/// The longest that such a value may be, in characters.
const LONGEST: usize = 100;
/// What stands for all others.
const OTHER: &str = "other";

/// The values of one label that were seen first.
#[derive(Debug, Default)]
pub(super) struct Capped(Mutex<BTreeSet<String>>);

impl Capped {
    /// The value to use for this one.
    pub(super) fn value<'a>(&self, value: &'a str) -> &'a str {
        if value.chars().count() > LONGEST {
            return OTHER;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(value) {
            return value;
        }
        if seen.len() >= LABEL_VALUES {
            return OTHER;
        }
        seen.insert(value.to_owned());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_have_names_and_all_others_one() {
        let capped = Capped::default();
        for n in 0..2 * LABEL_VALUES {
            let name = format!("acme/r{n}");
            let expected = if n < LABEL_VALUES { name.as_str() } else { OTHER };
            assert_eq!(capped.value(&name), expected);
        }
        assert_eq!(capped.value("acme/r0"), "acme/r0", "those that have a name keep it");
        assert_eq!(Capped::default().value(&"x".repeat(LONGEST + 1)), OTHER);
    }
}
