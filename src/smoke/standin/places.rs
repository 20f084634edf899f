//! The organisations and repositories that were declared. While there is none, every one exists
//! with the defaults.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::scope::{self, Scope};

/// The number of the group that GitHub keeps for its own runners.
pub(super) const HOSTED_GROUP: u64 = 2;

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`.
    pub full_name: String,
    /// Whether everybody can see it.
    pub public: bool,
    /// Whether the organisation forbids runners of a repository's own.
    pub runners_disabled: bool,
    /// Whether Actions are switched off.
    pub actions_disabled: bool,
}

impl Repository {
    /// A private repository, `owner/name`, where everything is allowed.
    pub fn new(full_name: &str) -> Self {
        let full_name = full_name.to_owned();
        Self { full_name, public: false, runners_disabled: false, actions_disabled: false }
    }
}

/// A group of runners in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number; 1 is the default group, 2 is GitHub's own.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether its runners take jobs of public repositories (GitHub's default: no).
    pub allows_public_repositories: bool,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its name.
    pub login: String,
    /// Its groups of runners.
    pub groups: Vec<Group>,
    /// Whether Actions are switched off.
    pub actions_disabled: bool,
}

impl Organization {
    /// An organisation with the default group, which is closed to public repositories.
    pub fn new(login: &str) -> Self {
        let group = Group { id: 1, name: "Default".to_owned(), allows_public_repositories: false };
        Self { login: login.to_owned(), groups: vec![group], actions_disabled: false }
    }
}

/// All that were declared, by name in lower case.
#[derive(Debug, Default)]
pub(super) struct Places {
    organizations: BTreeMap<String, Organization>,
    repositories: BTreeMap<String, Repository>,
}

impl Places {
    pub(super) fn add_organization(&mut self, organization: Organization) {
        self.organizations.insert(organization.login.to_lowercase(), organization);
    }

    pub(super) fn add_repository(&mut self, repository: Repository) {
        self.repositories.insert(repository.full_name.to_lowercase(), repository);
    }

    /// An organisation: one that was declared or that owns a repository that was, or any one.
    pub(super) fn organization(&self, login: &str) -> Option<Organization> {
        if let Some(known) = self.organizations.get(&login.to_lowercase()) {
            return Some(known.clone());
        }
        let owns = |full_name: &String| scope::owner(full_name).eq_ignore_ascii_case(login);
        let exists = self.is_open() || self.repositories.keys().any(owns);
        exists.then(|| Organization::new(login))
    }

    /// A repository that was declared, or any one.
    pub(super) fn repository(&self, full_name: &str) -> Option<Repository> {
        let known = self.repositories.get(&full_name.to_lowercase()).cloned();
        known.or_else(|| self.is_open().then(|| Repository::new(full_name)))
    }

    /// The repositories of an organisation that were declared.
    pub(super) fn repositories_of(&self, login: &str) -> Vec<Repository> {
        let owned = |one: &&Repository| scope::owner(&one.full_name).eq_ignore_ascii_case(login);
        self.repositories.values().filter(owned).cloned().collect()
    }

    pub(super) fn exists(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Anywhere => true,
            Scope::Organization(login) => self.organization(login).is_some(),
            Scope::Repository(full_name) => self.repository(full_name).is_some(),
        }
    }

    /// The groups of runners at a place; a repository has the default one only.
    pub(super) fn groups(&self, scope: &Scope) -> Vec<Group> {
        let login = match scope {
            Scope::Organization(login) => login,
            Scope::Repository(_) | Scope::Anywhere => "",
        };
        self.organization(login).unwrap_or_else(|| Organization::new(login)).groups
    }

    /// Whether a runner of this place and group may take a job of the repository.
    pub(super) fn allow(&self, scope: &Scope, group: u64, full_name: &str) -> bool {
        let repository = self.repository(full_name).unwrap_or_else(|| Repository::new(full_name));
        let open = match scope {
            Scope::Organization(_) => self.groups(scope).iter().any(|one| {
                one.id == group && (one.allows_public_repositories || !repository.public)
            }),
            Scope::Repository(_) => !repository.runners_disabled,
            Scope::Anywhere => true,
        };
        open && !repository.actions_disabled && scope.covers(full_name)
    }

    /// Why no runner may be registered at a place, in GitHub's words.
    pub(super) fn closed(&self, scope: &Scope) -> Option<&'static str> {
        const ACTIONS: &str = "GitHub Actions is disabled.";
        match scope {
            Scope::Anywhere => None,
            Scope::Organization(login) => {
                self.organization(login).filter(|one| one.actions_disabled).map(|_| ACTIONS)
            }
            Scope::Repository(full_name) => self.repository(full_name).and_then(|one| {
                let runners = "Repository level self-hosted runners are disabled.";
                one.actions_disabled.then_some(ACTIONS).or(one.runners_disabled.then_some(runners))
            }),
        }
    }

    fn is_open(&self) -> bool {
        self.organizations.is_empty() && self.repositories.is_empty()
    }
}

/// A number for a name, the same each time.
pub(super) fn number(name: &str) -> u64 {
    let digest = Sha256::digest(name.to_lowercase());
    digest.iter().take(4).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
