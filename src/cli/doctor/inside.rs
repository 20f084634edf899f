//! What a guest is asked about its image, and how to read the answer.

use super::check::Check;
use super::import::Wanted;
use crate::guest::paths::APPLICATION;

/// What user-data needs of an image.
const PROGRAMS: [&str; 3] = ["cloud-init", "systemctl", "curl"];

/// What is in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Inside {
    /// In cloud-init's own words.
    version: String,
    /// The programs that are not there.
    missing: Vec<String>,
    /// Whether the runner application is there.
    pub(super) application: bool,
}

/// The script that tells what is there; it never fails.
pub(super) fn script() -> String {
    let programs = PROGRAMS
        .map(|program| format!("command -v {program} >/dev/null || echo missing {program}\n"));
    format!(
        "{}test -x {APPLICATION}/bin/Runner.Listener && echo application\n\
         cloud-init --version 2>&1\n\
         true",
        programs.concat()
    )
}

impl Inside {
    /// Reads what the script printed. A line that means nothing is cloud-init's.
    pub(super) fn parse(text: &str) -> Self {
        let mut inside = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(program) = line.strip_prefix("missing ") {
                inside.missing.push(program.to_owned());
            } else if line == "application" {
                inside.application = true;
            } else if inside.version.is_empty() {
                line.clone_into(&mut inside.version);
            }
        }
        inside
    }

    /// Whether cloud-init and what our user-data needs are there.
    pub(super) fn cloud_init(&self, wanted: &Wanted<'_>) -> Check {
        const NAME: &str = "cloud-init";
        if self.missing.is_empty() {
            Check::ok(NAME, format!("{}, systemd and curl are in the image", self.version))
        } else {
            let detail = format!("the image lacks {}", self.missing.join(", "));
            Check::fail(NAME, detail, wanted.bring_another())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Status;
    use crate::model::InstanceType;

    #[test]
    fn a_good_image_has_all() {
        let inside = Inside::parse("application\n/usr/bin/cloud-init 22.4.2\n");
        assert!(inside.application);
        let wanted =
            Wanted { kind: InstanceType::Container, alias: "a", project: "p", own_images: true };
        let check = inside.cloud_init(&wanted);
        assert_eq!(check.status, Status::Ok);
        assert_eq!(check.detail, "/usr/bin/cloud-init 22.4.2, systemd and curl are in the image");
    }

    #[test]
    fn what_an_image_lacks_is_named() {
        let text = "missing cloud-init\nmissing curl\nsh: 5: cloud-init: not found\n";
        let inside = Inside::parse(text);
        assert!(!inside.application);
        let wanted =
            Wanted { kind: InstanceType::Container, alias: "a", project: "p", own_images: true };
        let check = inside.cloud_init(&wanted);
        assert_eq!(check.status, Status::Fail);
        assert_eq!(check.detail, "the image lacks cloud-init, curl");
        assert!(check.fix.unwrap().contains("--alias larm-ubuntu24`"));
    }
}
