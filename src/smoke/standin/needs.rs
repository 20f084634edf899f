//! What a request of the REST API is about, and what one must be allowed for it.

use super::accounts::Permissions;
use super::scope::Scope;

/// What one must be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// To be known.
    Nothing,
    /// To be a user.
    User,
    /// To be an App, with its own token.
    App,
    /// A permission.
    Permission {
        /// Of fine-grained tokens and Apps.
        name: &'static str,
        /// `read` or `write`.
        level: &'static str,
        /// Scopes of classic tokens of which one is enough.
        scopes: &'static [&'static str],
    },
}

/// What a request is about.
#[derive(Debug)]
pub(super) struct Asked {
    /// The place.
    pub(super) scope: Option<Scope>,
    pub(super) need: Need,
}

/// What a request is about; the path has no prefix of a GitHub Enterprise Server.
pub(super) fn of(method: &str, path: &str) -> Asked {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let writes = method != "GET";
    match *parts.as_slice() {
        ["orgs", org, ref rest @ ..] => Asked {
            scope: Some(Scope::Organization(org.to_owned())),
            need: of_organization(rest, writes),
        },
        ["repos", owner, name, ref rest @ ..] => Asked {
            scope: Some(Scope::Repository(format!("{owner}/{name}"))),
            need: of_repository(rest, writes),
        },
        ["app", ..] => Asked { scope: None, need: Need::App },
        ["user"] => Asked { scope: None, need: Need::User },
        _ => Asked { scope: None, need: Need::Nothing },
    }
}

fn of_organization(rest: &[&str], writes: bool) -> Need {
    match rest {
        ["actions", ..] => permission("organization_self_hosted_runners", writes, &["admin:org"]),
        ["hooks", ..] => permission("organization_hooks", writes, &["admin:org_hook"]),
        ["installation"] => Need::App,
        _ => Need::Nothing,
    }
}

fn of_repository(rest: &[&str], writes: bool) -> Need {
    match rest {
        ["actions", "runners", ..] => permission("administration", writes, &["repo"]),
        ["actions", ..] => permission("actions", writes, &["repo"]),
        ["hooks", ..] => permission("repository_hooks", writes, &["admin:repo_hook", "repo"]),
        ["installation"] => Need::App,
        _ => Need::Nothing,
    }
}

fn permission(name: &'static str, writes: bool, scopes: &'static [&'static str]) -> Need {
    Need::Permission { name, level: if writes { "write" } else { "read" }, scopes }
}

impl Need {
    pub(super) fn granted_by(&self, permissions: &Permissions) -> bool {
        match self {
            Self::Nothing | Self::User | Self::App => true,
            Self::Permission { name, level, .. } => permissions.get(*name).is_some_and(|granted| {
                granted == level || granted == "write" || granted == "admin"
            }),
        }
    }

    pub(super) fn granted_by_scopes(&self, granted: &[String]) -> bool {
        match self {
            Self::Nothing | Self::User | Self::App => true,
            Self::Permission { scopes, .. } => {
                granted.iter().any(|one| scopes.contains(&one.as_str()))
            }
        }
    }
}
