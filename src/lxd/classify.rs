//! LXD's codes and texts read as an [`ErrorKind`].
//!
//! The texts are matched by their lasting words: "LXD VM agent isn't currently running" (5.0),
//! "LXD VM agent is not currently running" (newest) and "VM agent isn't currently running" (Incus)
//! are one thing.

use super::error::ErrorKind;

/// Where an answer came from; it decides what an unknown one is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The answer to a request.
    Request,
    /// The end of an operation.
    Operation,
}

impl ErrorKind {
    /// Reads the kind from LXD's code and words.
    pub(super) fn from_answer(origin: Origin, code: i64, message: &str) -> Self {
        let text = message.to_lowercase();
        let message = if message.is_empty() { "no reason given" } else { message }.to_owned();
        match known(&text) {
            Some(make) => make(message),
            None if text.contains("cancelled") || code == 401 => Self::Cancelled { message },
            None if code == 403 => Self::PermissionDenied { message },
            // 5.0 says 500 of a log file or a recorded output that is not there.
            None if origin == Origin::Request && text.contains("no such file") => {
                Self::NotFound { message }
            }
            None if code == 404 => Self::NotFound { message },
            None if code == 409 => Self::AlreadyExists { message },
            None => match origin {
                Origin::Request => Self::Api { code, message },
                Origin::Operation => Self::OperationFailed { code, message },
            },
        }
    }
}

/// A sign that is known by all of its words.
struct Sign {
    words: &'static [&'static str],
    make: fn(String) -> ErrorKind,
}

/// In this order: the first that fits wins.
const SIGNS: [Sign; 23] = [
    Sign { words: &["agent", "n't", "running"], make: agent_not_running },
    Sign { words: &["agent", "not", "running"], make: agent_not_running },
    Sign { words: &["no space left"], make: pool_full },
    Sign { words: &["disk quota exceeded"], make: pool_full },
    Sign { words: &["not enough", "space"], make: pool_full },
    Sign { words: &["image's type", "doesn't match"], make: image_of_other_type },
    Sign { words: &["/dev/kvm"], make: no_kvm },
    Sign { words: &["kvm support"], make: no_kvm },
    Sign { words: &["virtual-machine", "not supported"], make: no_kvm },
    Sign { words: &["vhost", "vsock", "not"], make: no_kvm },
    Sign { words: &["image", "not found"], make: image_missing },
    Sign { words: &["no root device"], make: not_initialised },
    Sign { words: &["no storage pool"], make: not_initialised },
    Sign { words: &["instance is not running"], make: not_running },
    Sign { words: &["instance is not currently running"], make: not_running },
    Sign { words: &["instance is frozen"], make: frozen },
    Sign { words: &["already frozen"], make: frozen },
    Sign { words: &["already running"], make: already_running },
    Sign { words: &["already stopped"], make: already_stopped },
    Sign { words: &["instance is running"], make: still_running },
    Sign { words: &["already exists"], make: already_exists },
    Sign { words: &["unique constraint failed"], make: already_exists },
    // In a network's list, where the network is there.
    Sign { words: &["network acl", "does not exist"], make: not_found },
];

fn known(text: &str) -> Option<fn(String) -> ErrorKind> {
    let fits = |sign: &&Sign| sign.words.iter().all(|word| text.contains(word));
    SIGNS.iter().find(fits).map(|sign| sign.make)
}

fn agent_not_running(message: String) -> ErrorKind {
    ErrorKind::AgentNotRunning { message }
}

fn pool_full(message: String) -> ErrorKind {
    ErrorKind::PoolFull { message }
}

fn no_kvm(message: String) -> ErrorKind {
    ErrorKind::NoKvm { message }
}

fn image_of_other_type(message: String) -> ErrorKind {
    ErrorKind::ImageOfOtherType { message }
}

fn image_missing(message: String) -> ErrorKind {
    ErrorKind::ImageMissing { message }
}

fn not_initialised(message: String) -> ErrorKind {
    ErrorKind::NotInitialised { message }
}

fn not_running(message: String) -> ErrorKind {
    ErrorKind::NotRunning { message }
}

fn frozen(message: String) -> ErrorKind {
    ErrorKind::Frozen { message }
}

fn already_running(message: String) -> ErrorKind {
    ErrorKind::AlreadyRunning { message }
}

fn already_stopped(message: String) -> ErrorKind {
    ErrorKind::AlreadyStopped { message }
}

fn still_running(message: String) -> ErrorKind {
    ErrorKind::StillRunning { message }
}

fn not_found(message: String) -> ErrorKind {
    ErrorKind::NotFound { message }
}

fn already_exists(message: String) -> ErrorKind {
    ErrorKind::AlreadyExists { message }
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, Origin};
    use crate::lxd::Error;

    fn kind(code: i64, message: &str) -> ErrorKind {
        ErrorKind::from_answer(Origin::Operation, code, message)
    }

    /// The name of the kind, without what it holds.
    fn name(code: i64, message: &str) -> String {
        let debug = format!("{:?}", kind(code, message));
        debug.split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_agent_is_known_in_every_dialect() {
        for text in [
            "LXD VM agent isn't currently running",
            "LXD VM agent is not currently running",
            "VM agent isn't currently running",
        ] {
            assert_eq!(name(400, text), "AgentNotRunning", "{text}");
        }
    }

    #[test]
    fn texts_that_were_seen_have_a_kind() {
        for (code, text, expected) in [
            (400, "The instance is already running", "AlreadyRunning"),
            (400, "The instance is already stopped", "AlreadyStopped"),
            (400, "Instance is running", "StillRunning"),
            (400, "Instance is not running", "NotRunning"),
            (400, "Instance is frozen", "Frozen"),
            (400, "The container is already frozen", "Frozen"),
            (400, "The container is already running", "AlreadyRunning"),
            (404, "Image alias not found", "ImageMissing"),
            (404, "Instance not found", "NotFound"),
            (404, "Not Found", "NotFound"),
            (400, "Network ACL \"larm-ci\" does not exist", "NotFound"),
            (
                400,
                "Failed creating instance record: Add instance info to the database: This \"instances\" entry already exists",
                "AlreadyExists",
            ),
            (
                500,
                "UNIQUE constraint failed: instances.project_id, instances.name",
                "AlreadyExists",
            ),
            (
                400,
                "Failed detecting root disk device: No root device could be found",
                "NotInitialised",
            ),
            (400, "write /x: no space left on device", "PoolFull"),
            (
                400,
                "Instance type \"virtual-machine\" is not supported on this server: vhost_vsock kernel module not loaded",
                "NoKvm",
            ),
            (
                400,
                "Requested image's type \"container\" doesn't match instance type \"virtual-machine\"",
                "ImageOfOtherType",
            ),
            (400, "something else", "OperationFailed"),
            (400, "", "OperationFailed"),
        ] {
            assert_eq!(name(code, text), expected, "{text}");
        }
    }

    #[test]
    fn unavailable_is_worth_repeating_and_refused_is_not() {
        let error = |code, text| Error::new("x", kind(code, text));
        assert!(error(500, "Missing event connection with target cluster member").is_transient());
        assert!(error(503, "").is_transient());
        let busy = "Failed to create instance start operation: Instance is busy running a \"create\" operation";
        assert!(error(400, busy).is_transient());
        assert!(!error(500, "Failed to run: forklimits").is_transient());
        assert!(!error(400, "Instance is running").is_transient());
    }

    #[test]
    fn an_error_says_what_was_tried_and_what_lxd_said() {
        let error = Error::new("start instance larm-0a in project default", kind(400, "Boom"));
        assert_eq!(
            error.to_string(),
            "cannot start instance larm-0a in project default: Boom (code 400)"
        );
    }
}
