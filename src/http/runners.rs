//! One runner: create, show, give, delete; and the list of all.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::ControlApi;
use super::error::ApiError;
use super::input::{Ask, Body, find, wait_limit, words};
use super::types::{
    CreateRequest, Created, CredentialBody, DeleteRequest, ErrorKind, KeepRequest,
    RegistrationBody, Removed, Runner, Runners,
};
use crate::guest::Credential;
use crate::manager::{CloudRunnerManager, CreateOrder, View};
use crate::model::{
    CloudRunnerState, GitHubPath, GitHubRunnerConfig, InstanceName, LONGEST_HOLD, Phase, Record,
};

/// How long `?wait=` waits where the request does not say.
const DEFAULT_WAIT: Duration = Duration::from_mins(10);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<String>,
    phase: Option<String>,
    #[serde(default)]
    all: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShowQuery {
    wait: Option<String>,
    timeout: Option<f64>,
}

pub(super) async fn list(
    State(api): State<ControlApi>,
    Ask(query): Ask<ListQuery>,
) -> Result<Json<Runners>, ApiError> {
    let states: Option<Vec<CloudRunnerState>> =
        query.state.map(|text| words("state", &text)).transpose()?;
    let phases: Option<Vec<Phase>> = query.phase.map(|text| words("phase", &text)).transpose()?;
    let wanted = |record: &Record| {
        let by_state = states.as_ref().is_none_or(|all| all.contains(&record.state));
        let by_phase = match &phases {
            Some(phases) => phases.contains(&record.phase),
            None => query.all || record.phase != Phase::Gone,
        };
        by_state && by_phase
    };
    Ok(Json(Runners { runners: select(&api.manager.view(), wanted) }))
}

fn select(view: &View, wanted: impl Fn(&Record) -> bool) -> Vec<Runner> {
    let mut runners: Vec<Runner> = view
        .runners
        .values()
        .filter(|record| wanted(record))
        .map(|record| Runner::from(record.as_ref()))
        .collect();
    runners.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    runners
}

pub(super) async fn create(
    State(api): State<ControlApi>,
    Body(request): Body<CreateRequest>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    let credential = request.credential.map(|body| credential(&api, body)).transpose()?;
    let spec = Some(request.instance.over(&api.default_spec.borrow()));
    let id = api.manager.create(CreateOrder { name: None, credential, spec }).await?;
    let name = InstanceName::new(api.manager.name_prefix().clone(), id.clone());
    Ok((StatusCode::CREATED, Json(Created { id, name })))
}

pub(super) async fn show(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
    Ask(query): Ask<ShowQuery>,
) -> Result<Json<Runner>, ApiError> {
    let view = api.manager.view();
    let id = find(&view, &id)?;
    let Some(phase) = query.wait else {
        let record = view.runners.get(&id).ok_or_else(gone)?;
        return Ok(Json(Runner::from(record.as_ref())));
    };
    let phase: Phase =
        phase.parse().map_err(|why| ApiError::bad_request(format!("wait: {why}")))?;
    let limit = wait_limit(query.timeout, DEFAULT_WAIT)?;
    drop(view);
    tokio::select! {
        record = api.manager.wait_for(&id, phase, limit) => Ok(Json(Runner::from(record?.as_ref()))),
        () = api.stop.cancelled() => Err(stopping()),
    }
}

pub(super) async fn delete(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
    Body(request): Body<DeleteRequest>,
) -> Result<Json<Removed>, ApiError> {
    let id = find(&api.manager.view(), &id)?;
    let metrics = api.manager.delete_runner(&id, request.remove_token, request.force).await?;
    Ok(Json(Removed { metrics: vec![metrics.ok_or_else(gone)?], ..Removed::default() }))
}

pub(super) async fn give(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
    Body(body): Body<CredentialBody>,
) -> Result<StatusCode, ApiError> {
    let id = find(&api.manager.view(), &id)?;
    api.manager.give(&id, credential(&api, body)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn keep(
    State(api): State<ControlApi>,
    Path(id): Path<String>,
    Body(body): Body<KeepRequest>,
) -> Result<Json<Runner>, ApiError> {
    let out_of_range = |length: &SignedDuration| !length.is_positive() || *length > LONGEST_HOLD;
    if body.length.as_ref().is_some_and(out_of_range) {
        let text =
            format!("an instance is held for more than nothing and {LONGEST_HOLD:#} at most");
        return Err(ApiError::bad_request(text));
    }
    let id = find(&api.manager.view(), &id)?;
    api.manager.hold(&id, body.length).await?;
    let view = api.manager.view();
    let record = view.runners.get(&id).ok_or_else(gone)?;
    Ok(Json(Runner::from(record.as_ref())))
}

pub(super) fn stopping() -> ApiError {
    ApiError::new(ErrorKind::Stopping, "the daemon is stopping")
}

fn gone() -> ApiError {
    ApiError::new(ErrorKind::NotFound, "the runner is gone")
}

fn credential(api: &ControlApi, body: CredentialBody) -> Result<Credential, ApiError> {
    match body {
        CredentialBody::JitConfig(jit) if jit.expose_secret().trim().is_empty() => {
            Err(ApiError::bad_request("the just-in-time configuration is empty"))
        }
        CredentialBody::JitConfig(jit) => Ok(Credential::Jit(jit)),
        CredentialBody::RegistrationToken(body) => registration(&api.github_url, body),
    }
}

fn registration(github_url: &str, body: RegistrationBody) -> Result<Credential, ApiError> {
    if body.token.expose_secret().trim().is_empty() {
        return Err(ApiError::bad_request("the registration token is empty"));
    }
    let mut path: GitHubPath =
        body.github.parse().map_err(|why| ApiError::bad_request(format!("github: {why}")))?;
    if let Some(group) = &body.group {
        if path.group().is_none() {
            return Err(ApiError::bad_request("repositories have no runner groups"));
        }
        path = path.with_group(group);
    }
    Ok(Credential::RegistrationToken {
        token: body.token,
        url: format!("{}/{path}", github_url.trim_end_matches('/')),
        config: GitHubRunnerConfig { github_path: path, labels: body.labels },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(github: &str, group: Option<&str>) -> RegistrationBody {
        RegistrationBody {
            token: "T".into(),
            github: github.to_owned(),
            group: group.map(str::to_owned),
            labels: vec!["x64".to_owned()],
        }
    }

    #[test]
    fn a_registration_names_where_to_register() {
        let made = registration("https://github.com/", body("acme", Some("fast"))).unwrap();
        let Credential::RegistrationToken { url, config, .. } = made else { panic!("{made:?}") };
        assert_eq!(url, "https://github.com/acme");
        assert_eq!(config.github_path.group(), Some("fast"));
        assert!(registration("https://github.com", body("acme/web", None)).is_ok());
        assert!(registration("https://github.com", body("acme/web", Some("fast"))).is_err());
        assert!(registration("https://github.com", body("a/b/c", None)).is_err());
    }
}
