//! The tales, one file a theme.

pub mod frost;
pub mod hostile;
pub mod life;
pub mod logs;
pub mod many;
pub mod pushed;
pub mod quiet;
pub mod removal;
pub mod restart;
pub mod statuses;
pub mod trouble;
