//! Profiles (LXD documentation, "Use profiles").

use http::Method;
use serde::{Deserialize, Serialize};

use super::client::{Client, NO_BODY};
use super::envelope::nullable;
use super::error::Error;
use super::route::Route;

/// A profile as LXD has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Profile {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Settings of the instances that use it.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
    /// Devices of the instances that use it.
    #[serde(default, deserialize_with = "nullable")]
    pub devices: super::Devices,
    /// The instances that use it, as paths.
    #[serde(default, deserialize_with = "nullable")]
    pub used_by: Vec<String>,
}

/// A profile to be created, or what an existing one is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewProfile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Settings of the instances that use it.
    pub config: super::Config,
    /// Devices of the instances that use it.
    pub devices: super::Devices,
}

impl Client {
    /// A profile, or `None`.
    pub async fn profile(&self, name: &str) -> Result<Option<Profile>, Error> {
        self.get_if_there(&format!("look up profile {name}"), Route::new(&["profiles", name])).await
    }

    /// The root disk of the last of these profiles that has one, with another size. A device in an
    /// instance replaces the profile's whole device of that name, so that all of it is needed.
    pub async fn root_disk(
        &self,
        profiles: &[String],
        size: &str,
    ) -> Result<super::Devices, Error> {
        for profile in profiles.iter().rev() {
            let Some(profile) = self.profile(profile).await? else { continue };
            let mut devices = profile.devices.into_iter();
            let root = devices.find(|(_, device)| device.get("path").is_some_and(|at| at == "/"));
            if let Some((name, mut root)) = root {
                root.insert("size".to_owned(), size.to_owned());
                return Ok([(name, root)].into());
            }
        }
        Ok(super::Devices::new())
    }

    /// Creates a profile.
    pub async fn create_profile(&self, profile: &NewProfile) -> Result<(), Error> {
        let what = format!("create profile {}", profile.name);
        self.tell(&what, Method::POST, Route::new(&["profiles"]), Some(profile)).await
    }

    /// Replaces the settings of the profile of this name by these.
    pub async fn update_profile(&self, profile: &NewProfile) -> Result<(), Error> {
        let what = format!("update profile {}", profile.name);
        let route = Route::new(&["profiles", &profile.name]);
        self.tell(&what, Method::PUT, route, Some(profile)).await
    }

    /// Deletes a profile that no instance uses.
    pub async fn delete_profile(&self, name: &str) -> Result<(), Error> {
        let route = Route::new(&["profiles", name]);
        self.tell(&format!("delete profile {name}"), Method::DELETE, route, NO_BODY).await
    }
}
