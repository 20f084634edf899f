//! A throw-away instance of the image, made to look inside.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::agent;
use super::check::Check;
use super::import::Wanted;
use super::inside::{self, Inside};
use super::stop::Stop;
use crate::config::Settings;
use crate::lxd::{self, Client, ErrorKind, Exec, ImageSource, NewInstance, StateChange};
use crate::model::InstanceType;

/// The checks' name.
pub(super) const NAME: &str = "instance";
/// What throw-away instances are known by.
pub(super) const DESCRIPTION: &str = "larm doctor: throw-away";
/// How long a throw-away instance may take to be made, to start, and to be deleted.
const STEP_LIMIT: Duration = Duration::from_mins(5);
/// How long one command in the guest may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// How often a virtual machine is asked whether its agent is up: LXD has no event for it.
const AGENT_PAUSE: Duration = Duration::from_secs(1);
/// How much a command in the guest may say.
const OUTPUT_CAP: usize = 4096;

/// What a look inside has shown.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) checks: Vec<Check>,
    /// Whether the runner application is in the image, if that is known.
    pub(super) application: Option<bool>,
}

/// Starts a throw-away instance and looks for what runners need.
pub(super) async fn look(
    client: &Client,
    settings: &Settings,
    wanted: &Wanted<'_>,
    stop: &mut Stop<'_>,
) -> Looked {
    if let Err(error) = stop.listen() {
        let check = Check::fail(NAME, error.to_string(), "`larm doctor` without --deep");
        return Looked { checks: vec![check], application: None };
    }
    let name = format!("{}-doctor-{}", settings.name_prefix, std::process::id());
    // As long as a runner's guest may take to boot.
    let boot = Duration::try_from(settings.deadlines.boot).unwrap_or_default();
    let found = boot_and_ask(client, &instance(settings, &name), boot, stop).await;
    let removed = stop.during(client.remove_instance(&name, STEP_LIMIT)).await;
    let application = found.as_ref().ok().and_then(|inside| Some(inside.as_ref()?.application));
    let mut checks = match found {
        Ok(None) => Vec::new(),
        Err(_) if stop.asked() => Vec::new(),
        Ok(Some(inside)) if wanted.kind == InstanceType::VirtualMachine => {
            vec![agent::up(), inside.cloud_init(wanted)]
        }
        Ok(Some(inside)) => vec![inside.cloud_init(wanted)],
        Err(error) if is_agent_down(&error) => {
            vec![agent::down(boot, agent::host_has(client.socket()), wanted)]
        }
        Err(error) => {
            let fix = error.hint().unwrap_or("see LXD's log: `journalctl --unit lxd --lines 20`");
            vec![Check::fail(NAME, error.to_string(), fix)]
        }
    };
    if let Err(error) = removed {
        let fix = format!("`lxc delete --force {name} --project {}`", client.project());
        checks.push(Check::warn(NAME, format!("{name} stays behind: {error}"), fix));
    }
    Looked { checks, application }
}

fn instance(settings: &Settings, name: &str) -> NewInstance {
    NewInstance {
        name: name.to_owned(),
        instance_type: settings.runner.spec.instance_type.as_str().to_owned(),
        image: ImageSource::Alias(settings.runner.spec.image.clone()),
        ephemeral: true,
        profiles: settings.runner.spec.profiles.clone(),
        config: [("boot.autostart".to_owned(), "false".to_owned())].into(),
        description: DESCRIPTION.to_owned(),
        ..NewInstance::default()
    }
}

/// Boots the instance and asks it; `None` if an end was asked for meanwhile.
async fn boot_and_ask(
    client: &Client,
    instance: &NewInstance,
    boot: Duration,
    stop: &mut Stop<'_>,
) -> Result<Option<Inside>, lxd::Error> {
    let name = &instance.name;
    // An operation under way goes on without us: then the instance is not there yet, or busy, when
    // it is to be removed. So each is waited for.
    let create = async {
        let operation = client.create_instance(instance).await?;
        client.wait(&operation, STEP_LIMIT).await
    };
    stop.during(create).await?;
    if stop.asked() {
        return Ok(None);
    }
    let start = async {
        let operation = client.change_state(name, StateChange::Start).await?;
        client.wait(&operation, STEP_LIMIT).await
    };
    stop.during(start).await?;
    let exec = Exec::new(["sh", "-c", &inside::script()]);
    let asked = stop.unless_asked(ask_when_up(client, name, &exec, boot)).await;
    Ok(asked.transpose()?.map(|output| Inside::parse(&output.text())))
}

fn is_agent_down(error: &lxd::Error) -> bool {
    matches!(error.kind(), ErrorKind::AgentNotRunning { .. })
}

/// Runs a command as soon as the guest can: a container can at once, a virtual machine when its
/// agent is up, for which it has `boot`.
async fn ask_when_up(
    client: &Client,
    name: &str,
    exec: &Exec,
    boot: Duration,
) -> Result<lxd::ExecOutput, lxd::Error> {
    let deadline = Instant::now() + boot;
    loop {
        match client.run(name, exec, OUTPUT_CAP, COMMAND_LIMIT).await {
            Err(error) if is_agent_down(&error) && Instant::now() < deadline => {
                sleep(AGENT_PAUSE).await;
            }
            other => return other,
        }
    }
}
