//! Who may use the control socket: root, the daemon's own user, and the control group.
//!
//! The socket file's mode says the same; this check stands behind it, for a socket whose mode or
//! directory was changed.

use std::fs;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::net::UnixStream;

use super::error::ApiError;
use super::types::ErrorKind;

/// Who may use the control socket.
#[derive(Debug, Clone)]
pub struct Gate {
    own_uid: u32,
    group: Option<u32>,
}

/// Who has connected, as the kernel says (unix(7), `SO_PEERCRED`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(Option<Credentials>);

#[derive(Debug, Clone, Copy)]
struct Credentials {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
}

impl Gate {
    /// Lets in root, the user that runs this process, and members of `group`.
    pub fn new(group: Option<u32>) -> Self {
        Self { own_uid: rustix::process::geteuid().as_raw(), group }
    }

    fn admits(&self, peer: Peer) -> bool {
        let Some(who) = peer.0 else { return false };
        who.uid == 0 || who.uid == self.own_uid || self.group.is_some_and(|group| who.is_in(group))
    }
}

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> Self {
        Self(stream.peer_cred().ok().map(|cred| Credentials {
            uid: cred.uid(),
            gid: cred.gid(),
            pid: cred.pid(),
        }))
    }
}

impl Credentials {
    fn is_in(self, group: u32) -> bool {
        self.gid == group || self.supplementary().contains(&group)
    }

    /// The peer's supplementary groups, which `SO_PEERCRED` leaves out, from proc(5). The user is
    /// compared again, in case the process has ended and its id serves another one.
    fn supplementary(self) -> Vec<u32> {
        let Some(pid) = self.pid else { return Vec::new() };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if numbers(&status, "Uid:").get(1) != Some(&self.uid) {
            return Vec::new();
        }
        numbers(&status, "Groups:")
    }
}

fn numbers(status: &str, key: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

pub(super) async fn check(
    State(gate): State<Gate>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if gate.admits(peer) {
        return Ok(next.run(request).await);
    }
    let who = peer.0.map_or_else(|| "an unknown user".to_owned(), |who| format!("uid {}", who.uid));
    tracing::warn!(%who, "refused a caller of the control socket");
    Err(ApiError::new(ErrorKind::Forbidden, format!("{who} may not use larm's control socket"))
        .hint("run as root, or join the control group (`control_group`) and log in again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, gid: u32) -> Peer {
        Peer(Some(Credentials { uid, gid, pid: None }))
    }

    #[test]
    fn root_oneself_and_the_group_are_let_in() {
        let gate = Gate { own_uid: 500, group: Some(700) };
        assert!(gate.admits(peer(0, 0)));
        assert!(gate.admits(peer(500, 1)));
        assert!(gate.admits(peer(600, 700)));
        assert!(!gate.admits(peer(600, 600)));
        assert!(!gate.admits(Peer(None)));
        assert!(!Gate { own_uid: 500, group: None }.admits(peer(600, 0)));
    }

    #[test]
    fn supplementary_groups_are_read_of_the_same_user_only() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let groups = |uid| Credentials { uid, gid: 0, pid: Some(pid) }.supplementary();
        let expected: Vec<u32> =
            rustix::process::getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
        assert_eq!(groups(own), expected);
        assert!(groups(own + 1).is_empty());
        assert_eq!(numbers("Name:\tx\nGroups:\t4 27 1000 \n", "Groups:"), [4, 27, 1000]);
    }
}
