//! The runner application on its way into the guest.
//!
//! The host makes [`INCOMING`](super::paths::INCOMING), writes the archive into it, a tar archive
//! that may be packed with gzip, and after it the end mark, for which a path unit waits. The guest
//! takes both away, and checks the archive's SHA-256 while it unpacks it. The file API does not
//! write atomically: the end mark has a last line of its own.

/// Where the archive is written.
pub const ARCHIVE: &str = "/var/lib/larm-application/archive";

/// Where the end mark is written, after the archive.
pub const COMPLETE: &str = "/var/lib/larm-application/complete";

/// The end mark of an archive with this SHA-256, in hexadecimal.
pub fn mark(sha256: &str) -> Vec<u8> {
    format!("larm-application 1\nsha256 {sha256}\nend\n").into_bytes()
}

/// The SHA-256 in an end mark; `None` as long as it is not whole.
pub fn read_mark(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix("\nend\n")?;
    text.strip_prefix("larm-application 1\nsha256 ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::paths::INCOMING;

    #[test]
    fn a_mark_is_read_only_when_it_is_whole() {
        let whole = mark("ab12");
        assert_eq!(read_mark(&whole), Some("ab12"));
        for cut in 0..whole.len() {
            assert_eq!(read_mark(&whole[..cut]), None, "{cut}");
        }
        assert!([ARCHIVE, COMPLETE].iter().all(|path| path.starts_with(INCOMING)));
    }
}
