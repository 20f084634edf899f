//! Limits, and answers that are no news.

use std::time::Duration;

use larm::smoke::standin::{LimitSpan, SecondaryLimit};
use reqwest::StatusCode;
use serde_json::Value;

use crate::{Hub, header, message};

const RUNNERS: &str = "/orgs/acme/actions/runners";

#[tokio::test]
async fn an_answer_that_is_known_costs_nothing() {
    let hub = Hub::open().await;
    let first = hub.get(RUNNERS).await;
    let (tag, left) = (header(&first, "etag"), header(&first, "x-ratelimit-remaining"));
    assert_eq!(left, "4999");
    let again = || {
        let request = hub.client.get(format!("{}{RUNNERS}", hub.github.url()));
        request.header("if-none-match", &tag).send()
    };
    let known = again().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&known, "x-ratelimit-remaining"), left);
    assert!(known.bytes().await.unwrap().is_empty());
    hub.jit("orgs/acme", "news", &["x"]).await;
    let news = again().await.unwrap();
    assert_eq!((news.status(), header(&news, "etag") == tag), (StatusCode::OK, false));
}

#[tokio::test]
async fn the_primary_limit_is_counted_down() {
    let hub = Hub::open().await;
    hub.github.set_primary_limit(2);
    for left in ["1", "0"] {
        let answer = hub.get(RUNNERS).await;
        assert_eq!(header(&answer, "x-ratelimit-remaining"), left);
        assert_eq!(header(&answer, "x-ratelimit-limit"), "2");
        assert_eq!(header(&answer, "x-ratelimit-resource"), "core");
    }
    let over = hub.get(RUNNERS).await;
    assert_eq!(
        (header(&over, "x-ratelimit-remaining"), header(&over, "x-ratelimit-used")),
        ("0".into(), "2".into())
    );
    let reset: i64 = header(&over, "x-ratelimit-reset").parse().unwrap();
    assert!(reset > larm::clock::now().as_second());
    let (status, text) = message(over).await;
    assert_eq!((status, text.starts_with("API rate limit exceeded")), (403, true));
    let limits: Value = hub.read("/rate_limit").await;
    assert_eq!(limits["resources"]["core"]["remaining"], 0);
}

#[tokio::test]
async fn a_secondary_limit_holds_as_ordered() {
    let hub = Hub::open().await;
    for (status, retry_after) in [(403, Some(Duration::from_secs(7))), (429, None)] {
        let span = LimitSpan::Requests(2);
        hub.github.order_secondary_limit(SecondaryLimit { status, retry_after, span });
        for _ in 0..2 {
            let answer = hub.get(RUNNERS).await;
            let expected = if retry_after.is_some() { "7" } else { "" };
            assert_eq!(header(&answer, "retry-after"), expected);
            assert_eq!(header(&answer, "x-ratelimit-limit"), "5000");
            let (got, text) = message(answer).await;
            assert_eq!((got, text.contains("secondary rate limit")), (status, true));
        }
        assert_eq!(hub.status(RUNNERS).await, 200);
    }
    let span = LimitSpan::For(Duration::from_hours(1));
    hub.github.order_secondary_limit(SecondaryLimit { status: 429, retry_after: None, span });
    assert_eq!(hub.status("/api/v3/orgs/acme").await, 429);
    let span = LimitSpan::For(Duration::ZERO);
    hub.github.order_secondary_limit(SecondaryLimit { status: 429, retry_after: None, span });
    assert_eq!(hub.status(RUNNERS).await, 200);
}
