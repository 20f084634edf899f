//! Lists in pages, by number: `next` links lead to whatever a proxy or an old server thinks its
//! address is, and octocrab sends no credential there.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::Connection;
use super::error::{GitHubError, GitHubErrorKind};
use super::request::Call;

/// The most that GitHub gives per page.
const PER_PAGE: usize = 100;
/// A list that is larger is none of GitHub's: a thousand runs are a third of it.
const MOST_BYTES: usize = 64 << 20;

/// One page of a list.
pub(super) trait Page: DeserializeOwned + Serialize {
    /// What is listed.
    type Item;

    /// How many there are on all pages, where GitHub tells.
    fn total(&self) -> Option<usize>;

    /// What is on this one.
    fn into_items(self) -> Vec<Self::Item>;
}

/// A list of which at most so many pages were read.
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    /// What the last page said of the number of all.
    pub(super) total: Option<usize>,
}

impl Connection {
    /// Reads a list, at most `most` pages of it; a page that is unchanged costs no budget.
    pub(super) async fn list<P: Page>(
        &self,
        call: &Call,
        most: usize,
    ) -> Result<Listed<P::Item>, GitHubError> {
        let mut bytes = 0_usize;
        let mut listed = Listed { items: Vec::new(), total: None };
        let joint = if call.path.contains('?') { '&' } else { '?' };
        for number in 1..=most {
            let path = format!("{}{joint}per_page={PER_PAGE}&page={number}", call.path);
            let (page, size): (P, usize) = self.ask_sized(&call.clone().to(path)).await?;
            bytes = size.saturating_add(bytes);
            if bytes > MOST_BYTES {
                let reason = format!("the list has more than {MOST_BYTES} bytes");
                return Err(call.failed(GitHubErrorKind::Malformed { reason }));
            }
            listed.total = page.total();
            let items = page.into_items();
            let full = items.len() >= PER_PAGE;
            listed.items.extend(items);
            let rest = listed.total.is_none_or(|total| listed.items.len() < total);
            if !full || !rest {
                break;
            }
        }
        Ok(listed)
    }
}
