//! Sizes with a unit, as LXD writes them ("Storage units" in LXD's documentation).

/// LXD's units, and how many bytes each has.
pub const SIZE_UNITS: [(&str, u64); 13] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("EB", 1_000_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("EiB", 1 << 60),
];

/// How many bytes a size with a unit has, like `"4GiB"`; none if it is no such size or has more
/// bytes than 64 bits can count.
pub fn bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = size.strip_prefix(digits)?;
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| plain)?;
    number.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes("4GiB"), Some(4 << 30));
        assert_eq!(bytes("500MB"), Some(500_000_000));
        assert_eq!(bytes("512B"), Some(512));
        assert_eq!(bytes("16EiB"), None, "more than 64 bits");
        for wrong in ["", "GiB", "512", "4 giraffes", "-1GiB", "1.5GiB"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
