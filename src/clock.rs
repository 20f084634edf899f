//! The one place that reads the wall clock.

use std::time::Duration;

use jiff::Timestamp;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the lint points to")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Sleeps until then; for ever without a time.
pub async fn sleep_until(at: Option<Timestamp>) {
    match at {
        None => std::future::pending().await,
        Some(at) => {
            let wait = Duration::try_from(at.duration_since(now()));
            tokio::time::sleep(wait.unwrap_or(Duration::ZERO)).await;
        }
    }
}
