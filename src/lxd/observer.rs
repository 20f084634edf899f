//! Who is told how LXD answers: how long each request and operation took, and what failed.

use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};

use super::envelope;
use super::error::{Error, ErrorKind};
use super::route::Route;
use super::transport::Reply;

/// Is told how LXD answers. Must not wait.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request was answered, or not.
    fn request(&self, seen: Observed);
    /// An operation that was waited for has ended, or was given up.
    fn operation(&self, seen: Observed);
    /// The event stream was connected.
    fn connected(&self);
}

/// One request or operation. Its words are from a fixed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// What was done, like `create-instance`.
    pub what: &'static str,
    /// How long it took.
    pub took: Duration,
    /// What kind of failure it was, if it failed. What is looked for or removed and is not there
    /// is none.
    pub error: Option<&'static str>,
}

/// The word for a request. The states that an instance is brought to are told by the subject, which
/// begins with the verb.
pub(super) fn word(method: &Method, route: &Route, subject: &str) -> &'static str {
    let wire = route.to_wire();
    let path = wire.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["instances"]) => "list-instances",
        ("POST", ["instances"]) => "create-instance",
        ("GET", ["instances", _]) => "get-instance",
        ("DELETE", ["instances", _]) => "delete-instance",
        ("GET", ["instances", _, "state"]) => "get-state",
        ("PUT", ["instances", _, "state"]) => state_word(subject),
        ("POST", ["instances", _, "exec"]) => "exec",
        ("GET", ["instances", _, "files"]) => "read-file",
        ("POST", ["instances", _, "files"]) => "write-file",
        ("DELETE", ["instances", _, "files"]) => "delete-file",
        ("GET", ["instances", _, "logs" | "console", ..]) => "read-log",
        (_, ["instances", _, "logs" | "console", ..]) => "delete-log",
        ("GET", ["operations", _, "wait"]) => "wait",
        (_, ["operations", ..]) => "operation",
        (_, ["images", ..]) => "images",
        (_, ["storage-pools", ..]) => "storage",
        (_, ["profiles", ..]) => "profiles",
        (_, []) => "server",
        _ => "other",
    }
}

fn state_word(subject: &str) -> &'static str {
    match subject.split(' ').next().unwrap_or_default() {
        "start" => "start-instance",
        "stop" => "stop-instance",
        "restart" => "restart-instance",
        "freeze" => "freeze-instance",
        "unfreeze" => "unfreeze-instance",
        _ => "change-state",
    }
}

/// What kind of failure an answer is, if it is one.
pub(super) fn fault(method: &Method, sent: &Result<Reply, Error>) -> Option<&'static str> {
    match sent {
        Err(error) => Some(error.kind().word()),
        Ok(reply) if reply.status.is_success() => None,
        Ok(reply) => {
            let looked = *method == Method::GET || *method == Method::DELETE;
            let missing = looked && reply.status == StatusCode::NOT_FOUND;
            (!missing).then(|| envelope::refusal("", reply).kind().word())
        }
    }
}

impl ErrorKind {
    /// The word for it, which stays the same whatever LXD says.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoSocket { .. } => "no-socket",
            Self::PermissionDenied { .. } => "permission-denied",
            Self::NotInitialised { .. } => "not-initialised",
            Self::Unreachable { .. } => "unreachable",
            Self::Api { .. } => "refused",
            Self::OperationFailed { .. } => "operation-failed",
            Self::Cancelled { .. } => "cancelled",
            Self::OperationLost => "operation-lost",
            Self::NotFound { .. } => "not-found",
            Self::ImageMissing { .. } => "image-missing",
            Self::AlreadyExists { .. } => "already-exists",
            Self::AgentNotRunning { .. } => "agent-not-running",
            Self::NotRunning { .. } => "not-running",
            Self::Frozen { .. } => "frozen",
            Self::StillRunning { .. } => "still-running",
            Self::AlreadyRunning { .. } => "already-running",
            Self::AlreadyStopped { .. } => "already-stopped",
            Self::NoKvm { .. } => "no-kvm",
            Self::ImageOfOtherType { .. } => "image-of-other-type",
            Self::PoolFull { .. } => "pool-full",
            Self::TooLarge { .. } => "too-large",
            Self::TimedOut { .. } => "timed-out",
            Self::Decode { .. } => "unreadable",
            Self::Local { .. } => "local",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_words_whatever_instances_are_called() {
        for (method, parts, subject, expected) in [
            (Method::POST, &["instances"][..], "create instance x", "create-instance"),
            (Method::PUT, &["instances", "x", "state"], "start instance x", "start-instance"),
            (Method::PUT, &["instances", "x", "state"], "stop instance x", "stop-instance"),
            (Method::DELETE, &["instances", "exec"], "", "delete-instance"),
            (Method::POST, &["instances", "a/b", "files"], "", "write-file"),
            (Method::GET, &["instances", "x", "logs", "exec-output", "o"], "", "read-log"),
            (Method::GET, &["operations", "u", "wait"], "", "wait"),
            (Method::GET, &["warnings"], "", "other"),
            (Method::GET, &[], "", "server"),
        ] {
            let route = Route::new(parts).in_project("p");
            assert_eq!(word(&method, &route, subject), expected, "{method} {parts:?}");
        }
    }

    #[test]
    fn what_is_looked_for_and_not_there_is_no_failure() {
        let reply = |status| {
            Ok(Reply {
                status,
                headers: http::HeaderMap::new(),
                body: r#"{"type":"error","error":"Instance not found","error_code":404}"#.into(),
                truncated: false,
            })
        };
        assert_eq!(fault(&Method::GET, &reply(StatusCode::NOT_FOUND)), None);
        assert_eq!(fault(&Method::POST, &reply(StatusCode::NOT_FOUND)), Some("not-found"));
        assert_eq!(fault(&Method::POST, &reply(StatusCode::ACCEPTED)), None);
        let lost = Err(Error::new("try", ErrorKind::Unreachable { reason: String::new() }));
        assert_eq!(fault(&Method::GET, &lost), Some("unreachable"));
    }
}
