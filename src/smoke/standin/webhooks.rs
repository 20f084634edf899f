//! What a job looks like to the outside: as the REST API shows it, and in the `workflow_job`
//! webhook (GitHub documentation, "Webhook events and payloads" and "Workflow jobs").

use serde_json::{Value, json};

use super::accounts::Installation;
use super::places::{self, Places, Repository};
use super::record::{JobRecord, JobState};
use super::scope::{self, Scope};

/// A job's number in forged webhooks; no job has it.
const NO_JOB: u64 = 9_999_999_999;

/// The body of a `workflow_job` webhook.
pub(super) fn body<'a>(
    action: &str,
    job: &JobRecord,
    places: &Places,
    installation: &dyn Fn(&Scope) -> Option<&'a Installation>,
) -> Value {
    let of = Scope::Repository(job.repository.clone());
    let known = places.repository(&job.repository);
    let known = known.unwrap_or_else(|| Repository::new(&job.repository));
    let mut body = json!({
        "action": action,
        "workflow_job": self::job(job),
        "repository": repository(&known),
        "organization": organization(scope::owner(&job.repository)),
        "sender": {"login": "somebody", "id": 1, "type": "User"},
    });
    if let (Some(one), Some(fields)) = (installation(&of), body.as_object_mut()) {
        fields.insert("installation".to_owned(), json!({"id": one.id, "node_id": "MDIz"}));
    }
    body
}

/// The same body for a job that does not exist.
pub(super) fn of_no_job(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(id) = body.pointer_mut("/workflow_job/id") {
        *id = json!(NO_JOB);
    }
    body
}

/// A job as the REST API and webhooks show it.
pub(super) fn job(job: &JobRecord) -> Value {
    let (status, conclusion) = status(job.state);
    let api = format!("https://api.github.com/repos/{}", job.repository);
    let site = format!("https://github.com/{}", job.repository);
    let (runner, group) = job.runner_place.unzip();
    json!({
        "id": job.id,
        "run_id": job.run,
        "run_url": format!("{api}/actions/runs/{}", job.run),
        "run_attempt": job.attempt,
        "node_id": format!("CR_{}", job.id),
        "head_sha": format!("{:040x}", job.run),
        "head_branch": "main",
        "url": format!("{api}/actions/jobs/{}", job.id),
        "html_url": format!("{site}/actions/runs/{}/job/{}", job.run, job.id),
        "status": status,
        "conclusion": conclusion,
        "created_at": job.queued,
        "started_at": job.started.unwrap_or(job.queued),
        "completed_at": job.finished,
        "name": job.name,
        "steps": [],
        "check_run_url": format!("{api}/check-runs/{}", job.id),
        "labels": job.labels,
        "runner_id": runner,
        "runner_name": job.runner,
        "runner_group_id": group,
        "runner_group_name": group.map(|_| "Default"),
        "workflow_name": job.workflow,
    })
}

/// A job's status and conclusion in GitHub's words.
pub(super) fn status(state: JobState) -> (&'static str, Option<&'static str>) {
    match state {
        JobState::Waiting => ("waiting", None),
        // GitHub tells nobody that a job was given to a runner that has not started it.
        JobState::Queued | JobState::Assigned => ("queued", None),
        JobState::Running => ("in_progress", None),
        JobState::Succeeded => ("completed", Some("success")),
        JobState::Failed => ("completed", Some("failure")),
        JobState::Cancelled => ("completed", Some("cancelled")),
    }
}

/// A repository.
pub(super) fn repository(repository: &Repository) -> Value {
    let full_name = &repository.full_name;
    json!({
        "id": places::number(full_name),
        "node_id": format!("R_{}", places::number(full_name)),
        "name": scope::name(full_name),
        "full_name": full_name,
        "private": !repository.public,
        "visibility": if repository.public { "public" } else { "private" },
        "owner": owner(scope::owner(full_name)),
        "html_url": format!("https://github.com/{full_name}"),
        "url": format!("https://api.github.com/repos/{full_name}"),
        "description": null,
        "fork": false,
        "archived": false,
        "disabled": false,
        "default_branch": "main",
    })
}

/// An organisation.
pub(super) fn organization(login: &str) -> Value {
    json!({
        "login": login,
        "id": places::number(login),
        "node_id": format!("O_{}", places::number(login)),
        "url": format!("https://api.github.com/orgs/{login}"),
        "description": null,
    })
}

fn owner(login: &str) -> Value {
    json!({"login": login, "id": places::number(login), "type": "Organization"})
}
