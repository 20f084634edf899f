//! The commands that bring an image which runners can be made from.

use crate::model::InstanceType;

/// Serves images to LXD. Debian's LXD 5.0 calls another one `images:`, which refuses LXD since 2024
/// (canonical/lxd issue 12742).
const SERVER: &str = "https://images.lxd.canonical.com";
const REMOTE: &str = "larm-images";
const IMAGE: &str = "debian/12/cloud";

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
        let copy = self.copy(self.alias);
        match self.build() {
            Some(build) => format!("{build}, or {copy}"),
            None => copy,
        }
    }

    /// Brings another one, as the alias is taken by what is of no use.
    pub(super) fn bring_another(&self, suffix: &str) -> String {
        let alias = format!("{}-{suffix}", self.alias);
        format!("{}, and `image = \"{alias}\"` in [runner]", self.copy(&alias))
    }

    fn copy(&self, alias: &str) -> String {
        let vm = if self.kind == InstanceType::VirtualMachine { " --vm" } else { "" };
        format!(
            "`lxc remote add {REMOTE} {SERVER} --protocol simplestreams` once, then `lxc image copy \
             {REMOTE}:{IMAGE} local:{vm} --target-project {} --alias {alias}`",
            self.project
        )
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
        let wanted = wanted(InstanceType::VirtualMachine, "larm-debian12");
        insta::assert_snapshot!(wanted.bring(), @"`lxc remote add larm-images https://images.lxd.canonical.com --protocol simplestreams` once, then `lxc image copy larm-images:debian/12/cloud local: --vm --target-project larm --alias larm-debian12`");
        let another = wanted.bring_another("vm");
        assert!(another.ends_with(
            "--alias larm-debian12-vm`, and `image = \"larm-debian12-vm\"` in [runner]"
        ));
    }

    #[test]
    fn containers_are_built_where_the_runners_see_them() {
        let trixie = wanted(InstanceType::Container, "larm-debian13");
        let text = trixie.bring();
        assert!(text.starts_with("`scripts/image trixie` of larm's source, or `lxc remote add "));
        assert!(text.contains(" local: --target-project larm --alias larm-debian13`"), "{text}");
        let other = wanted(InstanceType::Container, "mine").bring();
        assert!(other.contains("`image = \"larm-debian12\"` in [runner], or "), "{other}");
        let apart = Wanted { own_images: true, ..trixie }.bring();
        assert!(apart.starts_with("`lxc remote add "), "{apart}");
    }
}
