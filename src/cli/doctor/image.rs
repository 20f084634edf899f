//! Checks of the image: that it is there, of the right type, and has what runners need, as far as
//! it says. Looking inside is in `deep.rs`.

use jiff::Timestamp;

use super::check::Check;
use super::import::Wanted;
use super::stop::Stop;
use super::{agent, application, deep};
use crate::cli::setup::plan::DEFAULT_PROJECT;
use crate::clock;
use crate::config::Settings;
use crate::images::Generation;
use crate::lxd::{self, Client};
use crate::model::InstanceType;

/// Whether the image is there and of the right type; whether it has cloud-init, as far as it says.
pub(super) async fn image(
    client: &Client,
    settings: &Settings,
    deep: Option<&mut Stop<'_>>,
) -> Result<Vec<Check>, lxd::Error> {
    let spec = &settings.runner.spec;
    let own_images = has_own_images(client).await?;
    let wanted = Wanted {
        kind: spec.instance_type,
        alias: &spec.image,
        project: client.project(),
        own_images,
    };
    let mut checks = Vec::new();
    let mut in_image = None;
    let usable = match client.image_by_alias(wanted.alias).await? {
        None => Err(missing(&wanted)),
        Some(image) if image.kind != wanted.kind.as_str() => Err(wrong_kind(&image, &wanted)),
        Some(image) => Ok(image),
    };
    match usable {
        Err(check) => checks.push(check),
        Ok(image) => {
            checks.push(present(&image, &wanted));
            if let Some(stop) = deep {
                let looked = deep::look(client, settings, &wanted, stop).await;
                in_image = looked.application;
                checks.extend(looked.checks);
            } else {
                checks.extend(unseen(&image, &wanted, agent::host_has(client.socket())));
            }
        }
    }
    checks.push(application::check(settings, in_image).await);
    Ok(checks)
}

fn present(image: &lxd::Image, wanted: &Wanted<'_>) -> Check {
    let what = match Generation::of(image) {
        Some(one) => {
            let version = one.runner_version.as_deref().unwrap_or("none");
            let number = one.number;
            format!(
                "generation {number} of `larm image build`, runner application {version}{}",
                end(one.runner_ends)
            )
        }
        None => image.properties.get("description").cloned().unwrap_or_default(),
    };
    Check::ok("image", format!("{}: {what}", wanted.alias))
}

/// Words for the end of a runner application that is in an image.
fn end(at: Option<Timestamp>) -> String {
    let Some(at) = at else { return String::new() };
    let days = at.duration_since(clock::now()).as_hours() / 24;
    if days < 0 {
        return ", which GitHub gives no jobs any more: the host's is pushed into runners"
            .to_owned();
    }
    format!(", which GitHub gives no jobs in {days} days")
}

fn missing(wanted: &Wanted<'_>) -> Check {
    Check::fail("image", format!("there is no image {}", wanted.alias), wanted.bring())
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
    let caution = match wanted.kind {
        InstanceType::VirtualMachine => ", whose isolation is weaker",
        InstanceType::Container => "",
    };
    let fix = format!("{}; or `type = \"{is}\"` in [runner]{caution}", wanted.bring_another());
    Check::fail("image", format!("{alias} is for a {is}, not a {kind}"), fix)
}

/// What the image says of itself, without a look inside.
fn unseen(image: &lxd::Image, wanted: &Wanted<'_>, host_has_agent: bool) -> Vec<Check> {
    let made_for_it = is_cloud_image(image);
    let cloud_init = if made_for_it {
        Check::ok("cloud-init", "the image is made for it")
    } else {
        Check::warn(
            "cloud-init",
            "the image does not say whether it has it",
            "`larm doctor --deep` starts a throw-away instance and looks",
        )
    };
    let is_vm = wanted.kind == InstanceType::VirtualMachine;
    let agent = is_vm.then(|| agent::unseen(made_for_it, host_has_agent));
    agent.into_iter().chain([cloud_init]).collect()
}

/// Images made for cloud-init say so: those of the image servers and larm's own by their variant,
/// Canonical's by their label.
fn is_cloud_image(image: &lxd::Image) -> bool {
    let says = |key: &str, value: &str| image.properties.get(key).is_some_and(|is| is == value);
    says("variant", "cloud") || says("label", "release")
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
        assert!(fix.contains("--vm --target-project larm --alias larm-ubuntu24-vm`"), "{fix}");
        let other = "; or `type = \"container\"` in [runner], whose isolation is weaker";
        assert!(fix.ends_with(other), "{fix}");
    }

    #[test]
    fn images_say_whether_they_are_made_for_cloud_init() {
        let image = |key: &str, value: &str| lxd::Image {
            properties: [(key.to_owned(), value.to_owned())].into(),
            ..lxd::Image::default()
        };
        assert!(is_cloud_image(&image("variant", "cloud")));
        assert!(is_cloud_image(&image("label", "release")));
        assert!(!is_cloud_image(&image("variant", "default")));
    }

    #[test]
    fn only_virtual_machines_need_an_agent() {
        let of = |kind| {
            let wanted = Wanted { kind, alias: "a", project: "larm", own_images: false };
            let checks = unseen(&lxd::Image::default(), &wanted, true);
            checks.iter().map(|check| (check.name, check.status)).collect::<Vec<_>>()
        };
        assert_eq!(of(InstanceType::Container), [("cloud-init", Status::Warn)]);
        let both = [("agent", Status::Warn), ("cloud-init", Status::Warn)];
        assert_eq!(of(InstanceType::VirtualMachine), both);
    }
}
