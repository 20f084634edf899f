//! Whether a golden image is to be built anew.

use jiff::{SignedDuration, Timestamp};

use super::Generation;

/// Why a golden image is to be built anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// There is none.
    Missing,
    /// It is old: the packages in it are.
    Old(SignedDuration),
    /// GitHub gives its runner application no jobs from then on.
    Ends(Timestamp),
}

/// Whether it is to be built anew, as it becomes older than `age`, or `before` its runner
/// application ends; that helps only if `newest`, the one that would be put in, is another one. One that
/// somebody went back to is as good as new, unless its application has ended: another would most
/// likely have the fault that was gone back from.
pub fn due(
    current: Option<&Generation>,
    newest: Option<&str>,
    age: SignedDuration,
    before: SignedDuration,
    now: Timestamp,
) -> Option<Due> {
    let Some(current) = current else { return Some(Due::Missing) };
    let other = newest.is_some_and(|newest| current.runner_version.as_deref() != Some(newest));
    let restored = current.restored_at.filter(|at| now.duration_since(*at) < age);
    let before = if restored.is_some() { SignedDuration::ZERO } else { before };
    let near = |end: &Timestamp| end.duration_since(now) <= before;
    if let Some(end) = current.runner_ends.filter(near).filter(|_| other) {
        return Some(Due::Ends(end));
    }
    let is = now.duration_since(current.built_at.unwrap_or(Timestamp::UNIX_EPOCH));
    (is >= age && restored.is_none()).then_some(Due::Old(is))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Standing;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    #[test]
    fn an_image_is_built_anew_when_it_is_old_or_its_application_ends() {
        let at = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        let image = |ends: Option<i64>| Generation {
            alias: "a".into(),
            number: 1,
            standing: Standing::Current,
            fingerprint: String::new(),
            kind: String::new(),
            size: 0,
            base: String::new(),
            base_fingerprint: String::new(),
            recipe: String::new(),
            runner_version: Some("2.330.0".into()),
            built_at: Some(at(100)),
            runner_ends: ends.map(at),
            restored_at: None,
            names: Vec::new(),
            until: None,
        };
        let ask =
            |image: &Generation, newest, now| due(Some(image), newest, DAY * 7, DAY * 5, at(now));
        let look = |ends, newest, now| ask(&image(ends), newest, now);
        assert_eq!(due(None, None, DAY, DAY, at(1)), Some(Due::Missing));
        assert_eq!(look(None, None, 106), None);
        assert_eq!(look(None, None, 107), Some(Due::Old(DAY * 7)));
        assert_eq!(look(Some(110), Some("2.331.0"), 104), None);
        assert_eq!(look(Some(110), Some("2.331.0"), 105), Some(Due::Ends(at(110))));
        assert_eq!(look(Some(110), Some("2.330.0"), 105), None, "the same again");
        assert_eq!(look(Some(110), None, 105), None, "nobody knows another one");
        let back = Generation { restored_at: Some(at(107)), ..image(Some(110)) };
        assert_eq!(ask(&back, Some("2.331.0"), 109), None, "somebody went back to it");
        assert_eq!(ask(&back, Some("2.331.0"), 110), Some(Due::Ends(at(110))), "no use any more");
        assert_eq!(ask(&back, Some("2.330.0"), 114), Some(Due::Old(DAY * 14)));
    }
}
