//! Check of LXD's agent, by which a virtual machine's guest is reached. Containers have none.

use std::path::Path;
use std::time::Duration;

use super::check::Check;
use super::import::Wanted;
use crate::cli::print;

const NAME: &str = "agent";

/// Whether this LXD has an agent to hand to guests: the snap brings one along, Debian has it in a
/// package of its own that LXD only recommends.
pub(super) fn host_has(socket: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path).chain([Path::new("/usr/bin").to_owned()]);
    let has = |directory: &Path, name: &str| directory.join(name).exists();
    socket.starts_with("/var/snap")
        || directories.any(|dir| has(&dir, "lxd-agent") || has(&dir, "incus-agent"))
}

/// What can be said without a look inside. `made_for_it`: cloud images start the agent that LXD
/// hands to them.
pub(super) fn unseen(made_for_it: bool, host_has: bool) -> Check {
    match (made_for_it, host_has) {
        (_, false) => Check::warn(
            NAME,
            "this LXD has none to hand to virtual machines",
            "`apt install lxd-agent`, unless the image has its own",
        ),
        (true, true) => Check::ok(NAME, "the image is made for it"),
        (false, true) => Check::warn(
            NAME,
            "the image does not say whether it starts one",
            "`larm doctor --deep` starts a throw-away instance and looks",
        ),
    }
}

/// It has answered.
pub(super) fn up() -> Check {
    Check::ok(NAME, "it answers")
}

/// It has not answered within `limit`.
pub(super) fn down(limit: Duration, host_has: bool, wanted: &Wanted<'_>) -> Check {
    let detail = format!("it did not come up within {}", print::span(limit));
    let another = format!(
        "use an image that starts LXD's agent, as Debian's package `lxd-agent` makes one do, or a \
         cloud image: {}",
        wanted.bring_another()
    );
    let fix = if host_has {
        another
    } else {
        format!("`apt install lxd-agent` on this host, which hands it to guests; else {another}")
    };
    Check::fail(NAME, detail, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Status;
    use crate::model::InstanceType;

    #[test]
    fn a_host_without_an_agent_is_told_of_first() {
        assert_eq!(unseen(true, true).status, Status::Ok);
        assert_eq!(unseen(false, true).status, Status::Warn);
        assert!(unseen(true, false).fix.unwrap().starts_with("`apt install lxd-agent`"));
        assert!(host_has(Path::new("/var/snap/lxd/common/lxd/unix.socket")));
    }

    #[test]
    fn an_agent_that_stays_away_comes_with_a_way_out() {
        let kind = InstanceType::VirtualMachine;
        let wanted = Wanted { kind, alias: "a", project: "p", own_images: false };
        let check = down(Duration::from_mins(5), true, &wanted);
        assert_eq!(check.detail, "it did not come up within 5m 0s");
        assert!(check.fix.unwrap().contains("--vm --target-project p --alias larm-ubuntu24-vm`"));
        let without = down(Duration::from_mins(5), false, &wanted);
        assert!(without.fix.unwrap().starts_with("`apt install lxd-agent` on this host"));
    }
}
