//! What GitHub answered last, by address: an answer that is unchanged (304) costs no budget
//! (GitHub documentation, "Best practices for using the REST API", conditional requests).
//!
//! Kept is what was read of an answer, written again as JSON: of a job's twenty kilobytes that is
//! a few hundred bytes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// How many bytes are kept of all answers together.
const MOST_BYTES: usize = 4 << 20;

/// Answers, the least recently used dropped first.
#[derive(Debug, Default)]
pub(super) struct Etags {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<String, Entry>,
    bytes: usize,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    etag: String,
    body: Bytes,
    used: u64,
}

impl Etags {
    /// The tag and the answer of an address.
    pub(super) fn get(&self, address: &str) -> Option<(String, Bytes)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let used = kept.uses;
        let entry = kept.entries.get_mut(address)?;
        entry.used = used;
        Some((entry.etag.clone(), entry.body.clone()))
    }

    /// Keeps an answer; one that is larger than a quarter of all is not worth its room.
    pub(super) fn put(&self, address: &str, etag: &str, body: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(address);
        if body.len() > MOST_BYTES / 4 {
            return;
        }
        kept.uses += 1;
        let entry = Entry { etag: etag.to_owned(), body, used: kept.uses };
        kept.bytes += entry.size(address);
        kept.entries.insert(address.to_owned(), entry);
        kept.shrink();
    }

    /// Forgets an answer.
    pub(super) fn forget(&self, address: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }
}

impl Kept {
    fn remove(&mut self, address: &str) {
        if let Some(entry) = self.entries.remove(address) {
            self.bytes = self.bytes.saturating_sub(entry.size(address));
        }
    }

    fn shrink(&mut self) {
        while self.bytes > MOST_BYTES {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(address) = oldest.map(|(address, _)| address.clone()) else { return };
            self.remove(&address);
        }
    }
}

impl Entry {
    fn size(&self, address: &str) -> usize {
        address.len() + self.etag.len() + self.body.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_answers_make_room() {
        let etags = Etags::default();
        let body = Bytes::from(vec![b'x'; MOST_BYTES / 5]);
        for n in 0..5 {
            etags.put(&format!("/{n}"), "t", body.clone());
            assert!(etags.get("/0").is_some());
        }
        assert!(etags.get("/1").is_none(), "the one that was not used for longest");
        assert!(etags.get("/4").is_some());
        etags.put("/4", "t", Bytes::from(vec![b'x'; MOST_BYTES / 2]));
        assert!(etags.get("/4").is_none(), "too large, and the old answer is not kept either");
        etags.forget("/0");
        assert!(etags.get("/0").is_none());
    }
}
