//! Why a call to LXD failed: what was tried outside, the kind inside, LXD's own words kept.
//!
//! LXD's texts differ between versions and between LXD and Incus, and its codes are coarse (a
//! failed operation is nearly always 400), so the kind is read from both, loosely: see
//! [`ErrorKind::from_answer`]. What is not recognised stays [`ErrorKind::Api`] or
//! [`ErrorKind::OperationFailed`].

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A failed call: `{what was tried}: {why it failed}`.
#[derive(Debug, Clone)]
pub struct Error {
    subject: String,
    kind: ErrorKind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Why a call failed. Where there is a `message`, it is in LXD's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No LXD socket was found, or nothing is at the one that was given.
    #[error("there is no LXD socket at {}", list(tried))]
    NoSocket {
        /// Where it was looked for.
        tried: Vec<PathBuf>,
    },
    /// The socket may not be used by this user, or LXD refuses this client.
    #[error("permission denied: {message}")]
    PermissionDenied {
        /// The socket's path, or LXD's words.
        message: String,
    },
    /// LXD has no storage pool, root disk or network to make an instance from.
    #[error("{message}")]
    NotInitialised {
        /// LXD's words.
        message: String,
    },
    /// The connection could not be made, or broke.
    #[error("LXD cannot be reached: {reason}")]
    Unreachable {
        /// What the socket said.
        reason: String,
    },
    /// LXD refused, for none of the reasons that have a kind of their own.
    #[error("{message} (code {code})")]
    Api {
        /// HTTP status of the answer.
        code: i64,
        /// LXD's words.
        message: String,
    },
    /// The operation ended in failure, for none of the reasons that have a kind of their own.
    #[error("{message} (code {code})")]
    OperationFailed {
        /// LXD's code for the failure, 400 for nearly everything.
        code: i64,
        /// LXD's words.
        message: String,
    },
    /// The operation was cancelled.
    #[error("the operation was cancelled: {message}")]
    Cancelled {
        /// LXD's words.
        message: String,
    },
    /// LXD does not know the operation any more: it ended more than about 5 s ago, or LXD was
    /// restarted. Its outcome is not known; look at the instance.
    #[error("LXD has forgotten the operation, its outcome is not known")]
    OperationLost,
    /// What was asked for is not there.
    #[error("{message}")]
    NotFound {
        /// LXD's words.
        message: String,
    },
    /// The image that an instance was to be made from is not there.
    #[error("{message}")]
    ImageMissing {
        /// LXD's words.
        message: String,
    },
    /// The name is taken.
    #[error("{message}")]
    AlreadyExists {
        /// LXD's words.
        message: String,
    },
    /// A virtual machine's agent does not answer (yet).
    #[error("{message}")]
    AgentNotRunning {
        /// LXD's words.
        message: String,
    },
    /// The instance would have to run for this.
    #[error("{message}")]
    NotRunning {
        /// LXD's words.
        message: String,
    },
    /// The instance is frozen.
    #[error("{message}")]
    Frozen {
        /// LXD's words.
        message: String,
    },
    /// The instance would have to be stopped for this.
    #[error("{message}")]
    StillRunning {
        /// LXD's words.
        message: String,
    },
    /// Start: it runs already.
    #[error("{message}")]
    AlreadyRunning {
        /// LXD's words.
        message: String,
    },
    /// Stop: it is stopped already.
    #[error("{message}")]
    AlreadyStopped {
        /// LXD's words.
        message: String,
    },
    /// The host cannot run virtual machines.
    #[error("{message}")]
    NoKvm {
        /// LXD's words.
        message: String,
    },
    /// The image is one for containers and the instance a virtual machine, or the other way round.
    #[error("{message}")]
    ImageOfOtherType {
        /// LXD's words.
        message: String,
    },
    /// The storage pool or the host's disk is full.
    #[error("{message}")]
    PoolFull {
        /// LXD's words.
        message: String,
    },
    /// The answer is larger than the caller wants to read; the rest was not read.
    #[error("the answer is larger than {cap} bytes")]
    TooLarge {
        /// The limit, in bytes.
        cap: usize,
    },
    /// No answer, or no end of the operation, within the time limit.
    #[error("no answer within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The answer does not say what LXD's documentation promises.
    #[error("LXD's answer could not be understood: {reason}")]
    Decode {
        /// What is wrong with it.
        reason: String,
    },
    /// A file on this side could not be read, or the request could not be written down.
    #[error("{reason}")]
    Local {
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// A failure of `subject`, like "start instance larm-0a in project default".
    pub fn new(subject: impl Into<String>, kind: ErrorKind) -> Self {
        Self { subject: subject.into(), kind, source: None }
    }

    /// The same with the error below it.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What was tried.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Why it failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What was asked for is not there (an image missing for a new instance is not meant).
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, ErrorKind::NotFound { .. })
    }

    /// What was to be changed has changed since it was read: read it again.
    pub fn is_changed_meanwhile(&self) -> bool {
        matches!(self.kind, ErrorKind::Api { code: 412, .. })
    }

    /// Whether the same call may succeed a little later without anybody's help. It says nothing
    /// about whether the call has had an effect: an order that timed out may have been carried out.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            ErrorKind::NoSocket { .. }
            | ErrorKind::Unreachable { .. }
            | ErrorKind::TimedOut { .. }
            | ErrorKind::OperationLost
            | ErrorKind::AgentNotRunning { .. } => true,
            ErrorKind::Api { code, message } | ErrorKind::OperationFailed { code, message } => {
                *code == 503 || *code == 429 || says_unavailable(message)
            }
            ErrorKind::PermissionDenied { .. }
            | ErrorKind::NotInitialised { .. }
            | ErrorKind::Cancelled { .. }
            | ErrorKind::NotFound { .. }
            | ErrorKind::ImageMissing { .. }
            | ErrorKind::AlreadyExists { .. }
            | ErrorKind::NotRunning { .. }
            | ErrorKind::Frozen { .. }
            | ErrorKind::StillRunning { .. }
            | ErrorKind::AlreadyRunning { .. }
            | ErrorKind::AlreadyStopped { .. }
            | ErrorKind::NoKvm { .. }
            | ErrorKind::ImageOfOtherType { .. }
            | ErrorKind::PoolFull { .. }
            | ErrorKind::TooLarge { .. }
            | ErrorKind::Decode { .. }
            | ErrorKind::Local { .. } => false,
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        self.kind.hint()
    }
}

impl ErrorKind {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        let hint = match self {
            Self::NoSocket { .. } => {
                "is LXD installed and running? `larm setup` prepares a host; --lxd-socket names another socket"
            }
            Self::PermissionDenied { .. } => {
                "run as root, or add the user to the group `lxd` (Incus: `incus-admin`) and log in again"
            }
            Self::NotInitialised { .. } => {
                "LXD has no storage pool or network for it: `larm setup` makes them"
            }
            Self::Unreachable { .. } => "does the LXD daemon run? See `journalctl -u lxd`",
            Self::ImageMissing { .. } => {
                "import the image under this alias, or name another one in the configuration; `larm doctor` lists what is missing"
            }
            Self::NoKvm { .. } => {
                "virtual machines need /dev/kvm and /dev/vhost-vsock; use containers on this host (--type container)"
            }
            Self::ImageOfOtherType { .. } => {
                "use an image for this type of instance, or the image's type (--type, or `type` in [runner])"
            }
            Self::PoolFull { .. } => {
                "free space in the storage pool, or enlarge it: `larm doctor` shows how full it is"
            }
            Self::Frozen { .. } => {
                "larm keeps some standbys frozen until a job needs them; any other is thawed with `lxc start`"
            }
            Self::Api { .. }
            | Self::OperationFailed { .. }
            | Self::Cancelled { .. }
            | Self::OperationLost
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::AgentNotRunning { .. }
            | Self::NotRunning { .. }
            | Self::StillRunning { .. }
            | Self::AlreadyRunning { .. }
            | Self::AlreadyStopped { .. }
            | Self::TooLarge { .. }
            | Self::TimedOut { .. }
            | Self::Decode { .. }
            | Self::Local { .. } => return None,
        };
        Some(hint)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.subject, self.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Texts of a server that is starting, stopping, or has lost a part of itself.
fn says_unavailable(message: &str) -> bool {
    const SIGNS: [&str; 12] = [
        "unavailable",
        // An operation on the instance that somebody ordered before.
        "busy running",
        "shutting down",
        "not ready",
        "starting up",
        "missing event connection",
        "connection refused",
        "connection reset",
        "timed out",
        "deadline exceeded",
        "database is locked",
        "dqlite",
    ];
    let message = message.to_lowercase();
    SIGNS.iter().any(|sign| message.contains(sign))
}
