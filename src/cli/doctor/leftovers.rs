//! Check for throw-away instances of runs that were killed. One is known by its description and its
//! name, which ends with the process id of its run.

use std::fs;

use super::check::Check;
use super::deep::DESCRIPTION;
use crate::lxd::{self, Client};

/// Whether such instances are there; nothing if not.
pub(super) async fn check(client: &Client) -> Result<Option<Check>, lxd::Error> {
    let filter = format!("description eq \"{DESCRIPTION}\"");
    let found = client.instances_matching(&filter).await?;
    let names = found.into_iter().map(|instance| instance.name);
    let left: Vec<String> = names.filter(|name| is_left(name, is_larm)).collect();
    Ok((!left.is_empty()).then(|| warn(&left, client.project())))
}

fn warn(names: &[String], project: &str) -> Check {
    let names = names.join(" ");
    let fix = format!("`lxc delete --force {names} --project {project}`");
    Check::warn("leftovers", format!("earlier runs of doctor were killed and left {names}"), fix)
}

/// Whether an instance of this name belongs to no run that goes on.
fn is_left(name: &str, is_larm: impl Fn(u32) -> bool) -> bool {
    let run = name.rsplit_once("-doctor-").map(|(_, pid)| pid.parse().ok());
    run.is_some_and(|pid| !pid.is_some_and(is_larm))
}

/// Whether this process is a larm; process ids are used again by others (proc(5)).
fn is_larm(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "larm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_has_left_nothing() {
        let runs = |pid: u32| pid == 77;
        assert!(is_left("larm-doctor-78", runs) && is_left("ci-doctor-x", runs));
        assert!(!is_left("larm-doctor-77", runs) && !is_left("larm-3f9c", runs));
    }
}
