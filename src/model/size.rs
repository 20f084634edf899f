//! Sizes with a unit, as LXD writes them ("Storage units" in LXD's documentation).

/// The bytes of a size like "4GiB" or "500MB"; `None` for what is no size.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    number.parse::<u64>().ok()?.checked_mul(factor(unit.trim())?)
}

fn factor(unit: &str) -> Option<u64> {
    let (base, power) = match unit {
        "" | "B" => (1, 0),
        "kB" => (1000, 1),
        "MB" => (1000, 2),
        "GB" => (1000, 3),
        "TB" => (1000, 4),
        "PB" => (1000, 5),
        "EB" => (1000, 6),
        "KiB" => (1024, 1),
        "MiB" => (1024, 2),
        "GiB" => (1024, 3),
        "TiB" => (1024, 4),
        "PiB" => (1024, 5),
        "EiB" => (1024, 6),
        _ => return None,
    };
    u64::checked_pow(base, power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(bytes("4GiB"), Some(4 << 30));
        assert_eq!(bytes("500MB"), Some(500_000_000));
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(bytes("16EiB"), None, "more than 64 bits");
        for wrong in ["", "GiB", "4 giraffes", "-1GiB", "1.5GiB"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
