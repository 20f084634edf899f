//! Checks of the image: that it is there, of the right type, and has what runners need.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::check::Check;
use super::import::Wanted;
use crate::cli::setup::plan::DEFAULT_PROJECT;
use crate::config::Settings;
use crate::lxd::{self, Client, ErrorKind, Exec, NewInstance, StateChange};
use crate::model::InstanceType;

/// How long a throw-away instance may take to be made, to start, and to be deleted.
const STEP_LIMIT: Duration = Duration::from_mins(5);
/// How long a virtual machine's agent may take to come up.
const AGENT_LIMIT: Duration = Duration::from_mins(3);
/// How long one command in the guest may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// How often a virtual machine is asked whether its agent is up: LXD has no event for it.
const AGENT_PAUSE: Duration = Duration::from_secs(1);
/// How much a command in the guest may say.
const OUTPUT_CAP: usize = 4096;

/// Whether the image is there and of the right type; whether it has cloud-init, as far as it says.
pub(super) async fn image(
    client: &Client,
    settings: &Settings,
    deep: bool,
) -> Result<Vec<Check>, lxd::Error> {
    let spec = &settings.runner.spec;
    let own_images = has_own_images(client).await?;
    let wanted = Wanted {
        kind: spec.instance_type,
        alias: &spec.image,
        project: client.project(),
        own_images,
    };
    let alias = wanted.alias;
    let Some(image) = client.image_by_alias(alias).await? else {
        let detail = format!("there is no image {alias}");
        return Ok(vec![Check::fail("image", detail, wanted.bring())]);
    };
    if image.kind != wanted.kind.as_str() {
        return Ok(vec![wrong_kind(&image, &wanted)]);
    }
    let what = image.properties.get("description").cloned().unwrap_or_default();
    let mut checks = vec![Check::ok("image", format!("{alias}: {what}"))];
    if deep {
        checks.push(look_inside(client, settings, &wanted).await);
    } else {
        checks.push(by_properties(&image));
    }
    Ok(checks)
}

/// Whether the runners' project sees its own images only.
async fn has_own_images(client: &Client) -> Result<bool, lxd::Error> {
    let name = client.project();
    let project = client.project_info(name).await?.unwrap_or_default();
    let own = project.config.get("features.images").is_some_and(|own| own == "true");
    Ok(own && name != DEFAULT_PROJECT)
}

fn wrong_kind(image: &lxd::Image, wanted: &Wanted<'_>) -> Check {
    let (alias, is, kind) = (wanted.alias, &image.kind, wanted.kind.as_str());
    let (suffix, caution) = match wanted.kind {
        InstanceType::VirtualMachine => ("vm", ", whose isolation is weaker"),
        InstanceType::Container => ("container", ""),
    };
    let fix =
        format!("{}; or `type = \"{is}\"` in [runner]{caution}", wanted.bring_another(suffix));
    Check::fail("image", format!("{alias} is for a {is}, not a {kind}"), fix)
}

/// Images made for cloud-init say so: those of images.linuxcontainers.org and larm's own by their
/// variant, Canonical's by their label.
fn by_properties(image: &lxd::Image) -> Check {
    let says = |key: &str, value: &str| image.properties.get(key).is_some_and(|is| is == value);
    if says("variant", "cloud") || says("label", "release") {
        Check::ok("cloud-init", "the image is made for it")
    } else {
        Check::warn(
            "cloud-init",
            "the image does not say whether it has it",
            "`larm doctor --deep` starts a throw-away instance and looks",
        )
    }
}

/// Starts a throw-away instance and looks for what runners need.
async fn look_inside(client: &Client, settings: &Settings, wanted: &Wanted<'_>) -> Check {
    const NAME: &str = "cloud-init";
    let name = format!("{}-doctor-{}", settings.name_prefix, std::process::id());
    let found = boot_and_ask(client, settings, wanted, &name).await;
    let removed = remove(client, &name).await;
    match (found, removed) {
        (Ok(check), Ok(())) => check,
        (Err(error), _) => {
            let fix = error.hint().unwrap_or("see the instance's log with `lxc info --show-log`");
            Check::fail(NAME, error.to_string(), fix)
        }
        (Ok(_), Err(error)) => {
            let fix = format!("`lxc delete --force {name} --project {}`", client.project());
            Check::warn(NAME, format!("the throw-away instance stays behind: {error}"), fix)
        }
    }
}

async fn boot_and_ask(
    client: &Client,
    settings: &Settings,
    wanted: &Wanted<'_>,
    name: &str,
) -> Result<Check, lxd::Error> {
    let instance = NewInstance {
        name: name.to_owned(),
        instance_type: settings.runner.spec.instance_type.as_str().to_owned(),
        image_alias: settings.runner.spec.image.clone(),
        ephemeral: true,
        profiles: settings.runner.spec.profiles.clone(),
        config: [("boot.autostart".to_owned(), "false".to_owned())].into(),
        description: "larm doctor: throw-away".to_owned(),
        ..NewInstance::default()
    };
    let operation = client.create_instance(&instance).await?;
    client.wait(&operation, STEP_LIMIT).await?;
    let operation = client.change_state(name, StateChange::Start).await?;
    client.wait(&operation, STEP_LIMIT).await?;
    let script = "cloud-init --version 2>&1 && command -v systemctl >/dev/null && command -v curl >/dev/null";
    let exec = Exec::new(["sh", "-c", script]);
    let output = ask_when_up(client, name, &exec).await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let said = said.lines().next().unwrap_or_default().trim().to_owned();
    Ok(if output.code == 0 {
        Check::ok("cloud-init", format!("{said}, systemd and curl are in the image"))
    } else {
        Check::fail(
            "cloud-init",
            format!("the image lacks cloud-init, systemd or curl: {said}"),
            wanted.bring_another("cloud"),
        )
    })
}

/// Runs a command as soon as the guest can: a container can at once, a virtual machine when its
/// agent is up.
async fn ask_when_up(
    client: &Client,
    name: &str,
    exec: &Exec,
) -> Result<lxd::ExecOutput, lxd::Error> {
    let deadline = Instant::now() + AGENT_LIMIT;
    loop {
        match client.run(name, exec, OUTPUT_CAP, COMMAND_LIMIT).await {
            Err(error)
                if matches!(error.kind(), ErrorKind::AgentNotRunning { .. })
                    && Instant::now() < deadline =>
            {
                sleep(AGENT_PAUSE).await;
            }
            other => return other,
        }
    }
}

/// Removes the instance, which goes by itself once it is stopped.
async fn remove(client: &Client, name: &str) -> Result<(), lxd::Error> {
    if client.instance(name).await?.is_none() {
        return Ok(());
    }
    let stop = async {
        let change = StateChange::Stop { force: true, timeout: None };
        let operation = client.change_state(name, change).await?;
        client.wait(&operation, STEP_LIMIT).await
    };
    // It may never have started; then it is deleted as it is.
    let stopped = timeout(STEP_LIMIT, stop).await;
    tracing::debug!(?stopped, "stopped the throw-away instance");
    if client.instance(name).await?.is_none() {
        return Ok(());
    }
    let deleted = match client.delete_instance(name).await {
        Ok(operation) => client.wait(&operation, STEP_LIMIT).await.map(drop),
        Err(error) => Err(error),
    };
    match deleted {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Status;

    #[test]
    fn an_image_of_the_other_kind_can_be_mended_in_two_ways() {
        let image = lxd::Image { kind: "container".to_owned(), ..lxd::Image::default() };
        let kind = InstanceType::VirtualMachine;
        let wanted = Wanted { kind, alias: "a", project: "larm", own_images: false };
        let check = wrong_kind(&image, &wanted);
        assert_eq!(check.detail, "a is for a container, not a virtual-machine");
        let fix = check.fix.unwrap();
        assert!(fix.contains("--vm --target-project larm --alias a-vm`"), "{fix}");
        let other = "; or `type = \"container\"` in [runner], whose isolation is weaker";
        assert!(fix.ends_with(other), "{fix}");
    }

    #[test]
    fn images_say_whether_they_are_made_for_cloud_init() {
        let image = |key: &str, value: &str| lxd::Image {
            properties: [(key.to_owned(), value.to_owned())].into(),
            ..lxd::Image::default()
        };
        assert_eq!(by_properties(&image("variant", "cloud")).status, Status::Ok);
        assert_eq!(by_properties(&image("label", "release")).status, Status::Ok);
        assert_eq!(by_properties(&image("variant", "default")).status, Status::Warn);
    }
}
