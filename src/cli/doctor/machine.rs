//! Checks of the machine itself: the kernel's limits, KVM, disks.

use std::path::Path;

use super::check::{Check, space};
use crate::cli::sysctl;
use crate::lxd;
use crate::model::InstanceType;

/// Whether virtual machines can run. Of no matter where containers are configured.
pub(super) fn kvm(server: &lxd::Server, wanted: InstanceType) -> Check {
    let missing: Vec<&str> = ["/dev/kvm", "/dev/vhost-vsock"]
        .into_iter()
        .filter(|device| !Path::new(device).exists())
        .collect();
    let check = kvm_check(&missing, server.runs_virtual_machines());
    if wanted == InstanceType::Container { check.at_most_warn() } else { check }
}

fn kvm_check(missing: &[&str], driver: bool) -> Check {
    let containers =
        "or use containers, whose isolation is weaker: `type = \"container\"` in [runner]";
    match (missing, driver) {
        ([], true) => Check::ok("kvm", "this LXD runs virtual machines"),
        ([], false) => Check::fail(
            "kvm",
            "LXD has no driver for virtual machines",
            format!(
                "install QEMU (`apt install qemu-system-x86 ovmf lxd-agent`) and restart LXD, {containers}"
            ),
        ),
        (missing, _) => Check::fail(
            "kvm",
            format!("there is no {}", missing.join(" and no ")),
            format!(
                "`modprobe --all kvm vhost_vsock`, switch on virtualization in the firmware, {containers}"
            ),
        ),
    }
}

/// Whether the kernel's limits let many guests boot, now and after the next boot.
pub(super) fn limits() -> Check {
    limits_check(&sysctl::look())
}

fn limits_check(limits: &sysctl::Limits) -> Check {
    const NAME: &str = "kernel limits";
    if !limits.too_low.is_empty() {
        let low = limits
            .too_low
            .iter()
            .map(|low| format!("{} is {}, below {}", low.limit.name, low.current, low.limit.least));
        return Check::fail(NAME, low.collect::<Vec<_>>().join(", "), "`larm setup`");
    }
    if let Some(overruled) = limits.overruled.first() {
        return Check::warn(NAME, "enough until the next boot", overruled.advice());
    }
    if limits.unkept.is_empty() {
        Check::ok(NAME, "enough for many guests")
    } else {
        let detail = "enough now, but no file sets all of them at the next boot";
        Check::warn(NAME, detail, "`larm setup`")
    }
}

/// Whether the records and logs have room.
pub(super) fn state_dir(directory: &Path) -> Check {
    const NAME: &str = "state directory";
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let (free, total) = (stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize);
            let what = directory.display().to_string();
            space(NAME, &what, free, total, "free some space, or set `state_dir` to another disk")
        }
        Err(error) => Check::fail(
            NAME,
            format!("{}: {error}", existing.display()),
            "set `state_dir` to a directory that can be used",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Status;

    #[test]
    fn virtual_machines_need_devices_and_a_driver() {
        assert_eq!(kvm_check(&[], true).status, Status::Ok);
        assert!(kvm_check(&[], false).fix.unwrap().contains("apt install qemu-system-x86"));
        let check = kvm_check(&["/dev/kvm", "/dev/vhost-vsock"], false);
        assert_eq!(check.detail, "there is no /dev/kvm and no /dev/vhost-vsock");
        assert_eq!(check.at_most_warn().status, Status::Warn);
    }

    #[test]
    fn limits_of_this_boot_only_are_no_failure() {
        let limit = sysctl::LIMITS[0];
        let unkept = vec![sysctl::Unkept { limit, value: limit.good }];
        let mut limits = sysctl::Limits { unkept, ..sysctl::Limits::default() };
        assert_eq!(limits_check(&limits).status, Status::Warn);
        limits.too_low = vec![sysctl::TooLow { limit, current: 128 }];
        assert_eq!(limits_check(&limits).status, Status::Fail);
        assert_eq!(limits_check(&sysctl::Limits::default()).status, Status::Ok);
    }

    #[test]
    fn the_nearest_directory_that_exists_is_measured() {
        let check = state_dir(Path::new("/var/lib/no-such-directory/deeper"));
        assert!(check.detail.starts_with("/var/lib/no-such-directory/deeper: "), "{check:?}");
    }
}
