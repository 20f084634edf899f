//! The runner application on the host: which version is wanted, and a directory that holds what
//! was fetched, so that guests get it from here and none downloads it.
//!
//! ```text
//! GitHub's list -> choose -> Wanted -> Cache::fetch -> Cached (a verified archive) -> guests
//! ```
//!
//! What is in the cache is named by its version and its SHA-256 and never changes under its name.
//! No archive is handed out whose content this process has not seen to match its SHA-256.

mod cache;
mod choice;
mod download;
mod entry;
mod error;
mod partial;

pub use cache::{Cache, CacheOptions};
pub use choice::{Choice, NoChoice, choose, host_architecture};
pub use entry::{Cached, Progress, Wanted};
pub use error::{FetchError, FetchErrorKind};

#[cfg(test)]
mod tests;
