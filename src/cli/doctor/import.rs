//! The commands that bring an image which runners can be made from.

use crate::model::InstanceType;

/// Canonical's cloud image, from a server that each `lxc` knows: it has curl, and starts LXD's agent.
/// Those of images.linuxcontainers.org, which Debian's LXD 5.0 calls `images:`, are refused to LXD
/// since 2024 (canonical/lxd issue 12742); Debian's on images.lxd.canonical.com, which took its
/// place, have no curl, as the recipe they share has none (lxc/lxc-ci issue 977).
const IMAGE: &str = "ubuntu:24.04";

/// What `scripts/image` makes: alias and argument.
const BUILT: [(&str, &str); 2] = [("larm-debian12", ""), ("larm-debian13", " trixie")];

/// What image is wanted, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) kind: InstanceType,
    pub(super) alias: &'a str,
    /// The runners' project. One without images of its own hands them on to the default project.
    pub(super) project: &'a str,
    /// Whether that project sees its own images only; `scripts/image` imports into the default one.
    pub(super) own_images: bool,
}

impl Wanted<'_> {
    /// Brings the image where there is none under this alias.
    pub(super) fn bring(&self) -> String {
        let is_built = BUILT.iter().any(|(alias, _)| *alias == self.alias);
        let copy = if is_built { self.bring_another() } else { self.copy(self.alias) };
        match self.build() {
            Some(build) => format!("{build}, or {copy}"),
            None => copy,
        }
    }

    /// Brings another one: the alias is taken by one that is of no use, or says what this is not.
    pub(super) fn bring_another(&self) -> String {
        let alias = match self.kind {
            InstanceType::VirtualMachine => "larm-ubuntu24-vm",
            InstanceType::Container => "larm-ubuntu24",
        };
        let taken = if self.alias == alias { "-new" } else { "" };
        let alias = format!("{alias}{taken}");
        format!("{} and `image = \"{alias}\"` in [runner]", self.copy(&alias))
    }

    fn copy(&self, alias: &str) -> String {
        let vm = if self.kind == InstanceType::VirtualMachine { " --vm" } else { "" };
        let project = self.project;
        format!("`lxc image copy {IMAGE} local:{vm} --target-project {project} --alias {alias}`")
    }

    /// Builds it from Debian packages, where that is possible and the runners would see it.
    fn build(&self) -> Option<String> {
        if self.kind == InstanceType::VirtualMachine || self.own_images {
            return None;
        }
        let known = BUILT.iter().find(|(alias, _)| *alias == self.alias);
        Some(match known {
            Some((_, argument)) => format!("`scripts/image{argument}` of larm's source"),
            None => "`scripts/image` of larm's source and `image = \"larm-debian12\"` in [runner]"
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(kind: InstanceType, alias: &str) -> Wanted<'_> {
        Wanted { kind, alias, project: "larm", own_images: false }
    }

    #[test]
    fn virtual_machines_come_from_the_image_server() {
        let default = wanted(InstanceType::VirtualMachine, "larm-debian12");
        insta::assert_snapshot!(default.bring(), @"`lxc image copy ubuntu:24.04 local: --vm --target-project larm --alias larm-ubuntu24-vm` and `image = \"larm-ubuntu24-vm\"` in [runner]");
        let mine = wanted(InstanceType::VirtualMachine, "mine").bring();
        assert!(mine.ends_with(" --target-project larm --alias mine`"), "{mine}");
    }

    #[test]
    fn an_alias_that_is_taken_is_not_given_again() {
        let fix = wanted(InstanceType::VirtualMachine, "larm-ubuntu24-vm").bring_another();
        assert!(fix.ends_with("`image = \"larm-ubuntu24-vm-new\"` in [runner]"), "{fix}");
    }

    #[test]
    fn containers_are_built_where_the_runners_see_them() {
        let trixie = wanted(InstanceType::Container, "larm-debian13");
        let text = trixie.bring();
        assert!(text.starts_with("`scripts/image trixie` of larm's source, or `lxc image copy "));
        assert!(text.contains(" local: --target-project larm --alias larm-ubuntu24`"), "{text}");
        let other = wanted(InstanceType::Container, "mine").bring();
        assert!(other.contains("`image = \"larm-debian12\"` in [runner], or "), "{other}");
        let apart = Wanted { own_images: true, ..trixie }.bring();
        assert!(apart.starts_with("`lxc image copy "), "{apart}");
    }
}
