//! The forms of answers: lists in pages, and refusals.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::smoke::standin::state::Refused;

/// What a query says.
pub(super) type Query = BTreeMap<String, String>;

/// How many items a page has where nothing is said, and at most.
const PER_PAGE: (usize, usize) = (30, 100);

/// One page of a list: `total_count` and the items under `key`, or the items alone; with links to
/// the pages before and after it.
pub(super) fn page(
    items: Vec<Value>,
    key: Option<&str>,
    query: &Query,
    origin: &str,
    uri: &Uri,
) -> Response {
    let total = items.len();
    let size = size(query);
    let page = field(query, "page").unwrap_or(1).max(1);
    let shown: Vec<Value> = items.into_iter().skip(size * (page - 1)).take(size).collect();
    let body = match key {
        Some(key) => json!({"total_count": total, key: shown}),
        None => Value::Array(shown),
    };
    let last = total.div_ceil(size).max(1);
    let to = |number: usize, name| (query_with(query, "page", &number.to_string()), name);
    let mut links = Vec::new();
    if page > 1 {
        links.extend([to(page - 1, "prev"), to(1, "first")]);
    }
    if page < last {
        links.extend([to(page + 1, "next"), to(last, "last")]);
    }
    with_links(Json(body).into_response(), &links, origin, uri)
}

/// How many items a page has.
pub(super) fn size(query: &Query) -> usize {
    field(query, "per_page").unwrap_or(PER_PAGE.0).clamp(1, PER_PAGE.1)
}

/// The query with one field set.
pub(super) fn query_with(query: &Query, name: &str, value: &str) -> Query {
    let mut query = query.clone();
    query.insert(name.to_owned(), value.to_owned());
    query
}

/// Adds the `Link` header.
pub(super) fn with_links(
    mut answer: Response,
    links: &[(Query, &str)],
    origin: &str,
    uri: &Uri,
) -> Response {
    let link = |(query, name): &(Query, &str)| {
        let fields: Vec<String> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!("<{origin}{}?{}>; rel=\"{name}\"", uri.path(), fields.join("&"))
    };
    let text: Vec<String> = links.iter().map(link).collect();
    if let Ok(value) = HeaderValue::from_str(&text.join(", "))
        && !links.is_empty()
    {
        answer.headers_mut().insert(header::LINK, value);
    }
    answer
}

pub(super) fn refusal(refused: Refused) -> Response {
    let status = match refused {
        Refused::NameTaken => StatusCode::CONFLICT,
        Refused::Registration => StatusCode::FORBIDDEN,
        Refused::NotFound => return not_found(),
        Refused::Deprecated | Refused::Busy => StatusCode::UNPROCESSABLE_ENTITY,
    };
    problem(status, &refused.to_string())
}

pub(super) fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "Not Found")
}

pub(super) fn problem(status: StatusCode, message: &str) -> Response {
    let code = status.as_u16().to_string();
    let page = "https://docs.github.com/rest";
    let body = json!({"message": message, "documentation_url": page, "status": code});
    (status, Json(body)).into_response()
}

fn field(query: &Query, name: &str) -> Option<usize> {
    query.get(name)?.parse().ok()
}
