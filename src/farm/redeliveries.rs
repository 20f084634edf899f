//! Asks for webhook deliveries again that failed: GitHub does not repeat them by itself (GitHub
//! documentation, "Handling failed webhook deliveries").

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::github::{Connection, GitHubError};
use crate::model::GitHubPath;

const EVERY: Duration = Duration::from_mins(2);
/// Older ones have been found by other means, or are of no use any more.
const BACK: SignedDuration = SignedDuration::from_hours(1);
/// How many deliveries are asked for in one round.
const MOST: usize = 25;

/// Looks for failed deliveries to `url` for ever.
pub(super) async fn sweep(connection: Connection, path: GitHubPath, url: String) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = BTreeSet::new();
    let mut told = false;
    loop {
        ticks.tick().await;
        match Box::pin(round(&connection, &path, &url, &mut asked)).await {
            Ok(()) => told = false,
            Err(error) if told => tracing::debug!(%error, "no redeliveries"),
            Err(error) => {
                let hint = error.hint();
                tracing::warn!(%error, hint, "failed deliveries are not asked for again");
                told = true;
            }
        }
    }
}

/// A delivery that fails again is left to the polls.
async fn round(
    connection: &Connection,
    path: &GitHubPath,
    url: &str,
    asked: &mut BTreeSet<String>,
) -> Result<(), GitHubError> {
    let since = clock::now().saturating_sub(BACK).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let failed = connection.failed_deliveries(path, url, since).await?;
    asked.retain(|guid| failed.iter().any(|one| one.guid == *guid));
    for delivery in
        failed.into_iter().filter(|one| !asked.contains(&one.guid)).take(MOST).collect::<Vec<_>>()
    {
        // One that GitHub does not repeat keeps no other from being asked for.
        if let Err(error) = connection.redeliver(path, &delivery).await {
            tracing::debug!(guid = %delivery.guid, %error, "not asked for again");
            asked.insert(delivery.guid);
            continue;
        }
        tracing::info!(guid = %delivery.guid, target = %path, "a failed delivery is asked for again");
        asked.insert(delivery.guid);
    }
    Ok(())
}
