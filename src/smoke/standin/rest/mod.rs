//! The part of GitHub's REST API that a runner manager needs, one file per resource; at `/` as on
//! api.github.com, and at `/api/v3` as on a GitHub Enterprise Server.

mod answers;
mod apps;
mod downloads;
mod gate;
mod hooks;
mod places;
mod runners;
mod runs;

use std::collections::BTreeMap;

use axum::{Router, middleware};

use super::StandIn;
use super::scope::Scope;

/// The parts of a path that have names.
type Parts = BTreeMap<String, String>;

/// The routes.
pub(super) fn routes(stand_in: &StandIn) -> Router<StandIn> {
    let rest = Router::new()
        .merge(runners::routes())
        .merge(downloads::routes())
        .merge(runs::routes())
        .merge(places::routes())
        .merge(apps::routes())
        .merge(hooks::routes())
        .route_layer(middleware::from_fn_with_state(stand_in.clone(), gate::pass));
    rest.clone().merge(downloads::archive_routes()).nest("/api/v3", rest)
}

/// The beginnings of the paths of organisations and of repositories.
const SCOPES: [&str; 2] = ["/orgs/{org}", "/repos/{owner}/{repo}"];

/// The place that a path is about.
fn scope_of(parts: &Parts) -> Scope {
    let part = |name: &str| parts.get(name).map_or("", String::as_str);
    if parts.contains_key("org") {
        Scope::Organization(part("org").to_owned())
    } else {
        Scope::Repository(format!("{}/{}", part("owner"), part("repo")))
    }
}

fn number_in(parts: &Parts, name: &str) -> Option<u64> {
    parts.get(name)?.parse().ok()
}
