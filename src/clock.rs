//! The one place that reads the wall clock.

use jiff::Timestamp;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the lint points to")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
