//! Projects (LXD documentation, "Projects").

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::envelope::nullable;
use super::error::Error;
use super::route::Route;

/// A project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its features and limits.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
}

impl Client {
    /// A project, or `None`.
    pub async fn project_info(&self, name: &str) -> Result<Option<Project>, Error> {
        self.get_if_there(&format!("look up project {name}"), Route::new(&["projects", name])).await
    }

    /// Creates a project.
    pub async fn create_project(&self, project: &Project) -> Result<(), Error> {
        let what = format!("create project {}", project.name);
        self.tell(&what, Method::POST, Route::new(&["projects"]), Some(project)).await
    }

    /// Deletes an empty project.
    pub async fn delete_project(&self, name: &str) -> Result<(), Error> {
        let route = Route::new(&["projects", name]);
        let what = format!("delete project {name}");
        self.tell(&what, Method::DELETE, route, super::client::NO_BODY).await
    }
}
