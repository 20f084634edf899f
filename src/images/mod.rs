//! Golden images: baked over LXD's API, tried before anybody uses them, kept as generations.
//!
//! ```text
//! base -> throw-away instance -> packages, application, script, trim, clean -> image (a candidate)
//!      -> canary: an instance of it becomes ready -> the alias moves -> surplus generations go
//! ```
//!
//! All that is known of generations is in LXD: in the images' properties ([`Generation`]), and in
//! what the alias stands for. Whatever fails leaves the alias and the generation before it alone.
//! Nothing here knows a terminal: what happens is told as [`Progress`].

mod alias;
mod base;
mod build;
mod canary;
mod due;
mod error;
mod generation;
mod instance;
mod options;
mod progress;
mod prune;
mod publish;
mod rollback;
mod steps;

pub use base::{Base, BaseError};
pub use build::{Built, build};
pub use due::{Due, due};
pub use error::{BuildError, ImageError};
pub use generation::{Generation, Standing, current, find, list, mark_end};
pub use options::BuildOptions;
pub use progress::{Progress, Step};
pub use prune::{Pruned, prune, prune_leftovers};
pub use rollback::{RolledBack, rollback};

/// The alias that images are built under where none is named.
pub const DEFAULT_ALIAS: &str = "larm-runner";
