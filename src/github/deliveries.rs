//! Deliveries of webhooks that failed (GitHub REST API, "Repository webhooks", "Organization
//! webhooks", "GitHub App webhooks"). GitHub repeats none by itself; here they are found, and
//! asked for again.

use std::collections::BTreeMap;

use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::error::GitHubError;
use super::pages::Page;
use super::request::{Call, Need};
use super::text::{encoded, line};
use crate::model::GitHubPath;

/// A webhook that fails for longer is found by looking for jobs.
const MOST_PAGES: usize = 20;
/// No more than twenty webhooks can be set per event, and two hundred and fifty in all.
const MOST_HOOK_PAGES: usize = 3;
/// The event that tells of jobs.
const EVENT: &str = "workflow_job";
/// The longest text that is kept, in characters.
const TEXT: usize = 100;

/// A delivery of which no attempt arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedDelivery {
    /// The webhook's deliveries, below the API's address.
    address: String,
    /// The number of the last attempt.
    id: u64,
    /// What all attempts at it have in common.
    pub guid: String,
    /// When GitHub tried last.
    pub delivered_at: Timestamp,
    /// What GitHub got in return, 0 for no answer.
    pub status_code: u16,
    /// How often GitHub has tried.
    pub attempts: usize,
}

#[derive(Serialize, Deserialize)]
struct Hook {
    id: u64,
    #[serde(default)]
    config: HookConfig,
}

#[derive(Default, Serialize, Deserialize)]
struct HookConfig {
    url: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Hooks(Vec<Hook>);

#[derive(Deserialize)]
struct DeliveryWire {
    id: u64,
    guid: String,
    delivered_at: Timestamp,
    #[serde(default)]
    status_code: u16,
    #[serde(default)]
    event: String,
}

impl Page for Hooks {
    type Item = Hook;

    fn total(&self) -> Option<usize> {
        None
    }

    fn into_items(self) -> Vec<Hook> {
        self.0
    }
}

impl Connection {
    /// Deliveries about jobs since a time that never arrived, of the webhooks of a path that lead
    /// to `hook_url`, and of the App's own where it does; the oldest first.
    pub async fn failed_deliveries(
        &self,
        path: &GitHubPath,
        hook_url: &str,
        since: Timestamp,
    ) -> Result<Vec<FailedDelivery>, GitHubError> {
        let mut failed = Vec::new();
        for call in Box::pin(self.lists_of_deliveries(path, hook_url)).await? {
            failed.extend(self.failed_of(&call, since).await?);
        }
        failed.sort_by_key(|delivery| delivery.delivered_at);
        Ok(failed)
    }

    /// Asks GitHub to deliver again.
    pub async fn redeliver(
        &self,
        path: &GitHubPath,
        delivery: &FailedDelivery,
    ) -> Result<(), GitHubError> {
        let address = format!("{}/{}/attempts", delivery.address, delivery.id);
        let call = Call::at("ask for a delivery again", path, Method::POST, "");
        let call = call.needing(Need::hooks(path)).to(address);
        let call = if delivery.address.starts_with(APP) { call.by_app() } else { call };
        Box::pin(self.perform(&call)).await.map(|_| ())
    }

    /// The calls that list what was delivered to us.
    async fn lists_of_deliveries(
        &self,
        path: &GitHubPath,
        hook_url: &str,
    ) -> Result<Vec<Call>, GitHubError> {
        let listing = || {
            let call = Call::at("list the deliveries", path, Method::GET, "/hooks");
            call.needing(Need::hooks(path))
        };
        if self.credentials().is_app() && self.app_delivers_to(path, hook_url).await? {
            return Ok(vec![listing().by_app().to(format!("{APP}/deliveries"))]);
        }
        let base = listing().path;
        let hooks = self.list::<Hooks>(&listing(), MOST_HOOK_PAGES).await?.items;
        let ours = hooks.iter().filter(|hook| same(hook.config.url.as_deref(), hook_url));
        Ok(ours.map(|hook| listing().to(format!("{base}/{}/deliveries", hook.id))).collect())
    }

    async fn app_delivers_to(&self, path: &GitHubPath, url: &str) -> Result<bool, GitHubError> {
        let call = Call::at("look at the App's webhook", path, Method::GET, "").by_app();
        match self.ask::<HookConfig>(&call.to(format!("{APP}/config"))).await {
            Ok(config) => Ok(same(config.url.as_deref(), url)),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn failed_of(
        &self,
        call: &Call,
        since: Timestamp,
    ) -> Result<Vec<FailedDelivery>, GitHubError> {
        let mut by_guid: BTreeMap<String, (bool, FailedDelivery)> = BTreeMap::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let at = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let path = format!("{}?per_page=100{at}", call.path);
            let done = Box::pin(self.perform(&call.clone().to(path))).await?;
            let page: Vec<DeliveryWire> = call.read(&done.body)?;
            // GitHub lists the newest first.
            let reached = page.is_empty() || page.iter().any(|one| one.delivered_at < since);
            for one in page.into_iter().filter(|one| one.delivered_at >= since) {
                take(&mut by_guid, &one, &call.path);
            }
            cursor = next_cursor(&done.headers);
            if reached || cursor.is_none() {
                break;
            }
        }
        Ok(by_guid.into_values().filter(|(arrived, _)| !arrived).map(|(_, one)| one).collect())
    }
}

/// Where the App's own webhook is.
const APP: &str = "/app/hook";

/// Adds an attempt to what is known of its delivery.
fn take(known: &mut BTreeMap<String, (bool, FailedDelivery)>, one: &DeliveryWire, address: &str) {
    if one.event != EVENT {
        return;
    }
    let arrived = (200..300).contains(&one.status_code);
    let guid = line(&one.guid, TEXT);
    let attempt = FailedDelivery {
        address: address.to_owned(),
        id: one.id,
        guid: guid.clone(),
        delivered_at: one.delivered_at,
        status_code: one.status_code,
        attempts: 1,
    };
    let Some((ever, last)) = known.get_mut(&guid) else {
        known.insert(guid, (arrived, attempt));
        return;
    };
    *ever |= arrived;
    let attempts = last.attempts + 1;
    if attempt.delivered_at > last.delivered_at {
        *last = attempt;
    }
    last.attempts = attempts;
}

fn same(url: Option<&str>, ours: &str) -> bool {
    url.is_some_and(|url| url.trim_end_matches('/') == ours.trim_end_matches('/'))
}

/// The cursor in the `next` link. Only it is taken: the link's host may be another one.
fn next_cursor(headers: &HeaderMap) -> Option<String> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let address = next.split(['<', '>']).nth(1)?;
    let (_, query) = address.split_once('?')?;
    let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="))?;
    // Sent back as it came, but for what would end the query.
    Some(cursor.split('%').map(encoded).collect::<Vec<_>>().join("%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_next_link_only_the_cursor_is_taken() {
        let cursor = |link: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, link.parse().unwrap());
            next_cursor(&headers)
        };
        let link = r#"<https://h/a?per_page=1&cursor=v1_2%3D>; rel="next", <https://h/a>; rel="x""#;
        assert_eq!(cursor(link).as_deref(), Some("v1_2%3D"));
        assert_eq!(cursor(r#"<https://h/a?cursor=v1_2>; rel="prev""#), None);
        assert_eq!(cursor(r#"<https://h/a>; rel="next""#), None);
        assert_eq!(cursor("rel=\"next\""), None);
    }
}
