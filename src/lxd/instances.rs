//! Instances: create, look, change state, delete (LXD documentation, "Instances").
//!
//! Two things to know of real LXD: creating a name twice is accepted and fails in the operation;
//! and without `boot.autostart=false` LXD starts an instance again that powered off while the
//! daemon was down.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, NO_BODY};
use super::envelope::{lenient_time, nullable};
use super::error::Error;
use super::image_source::ImageSource;
use super::operations::Operation;
use super::route::Route;
use super::state::InstanceState;
use super::status::StatusCode;

/// An instance, without what it does at the moment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Instance {
    /// Its name, unique in the project.
    pub name: String,
    /// LXD's word for the status, like `Running`.
    #[serde(default)]
    pub status: String,
    /// The status; a virtual machine is Running long before its guest is.
    #[serde(default)]
    pub status_code: StatusCode,
    /// `container` or `virtual-machine`.
    #[serde(default, rename = "type")]
    pub instance_type: String,
    /// Its own settings.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
    /// Its settings with those of its profiles.
    #[serde(default, deserialize_with = "nullable")]
    pub expanded_config: super::Config,
    /// Its own devices.
    #[serde(default, deserialize_with = "nullable")]
    pub devices: super::Devices,
    /// Its devices with those of its profiles.
    #[serde(default, deserialize_with = "nullable")]
    pub expanded_devices: super::Devices,
    /// Whether LXD deletes it when it stops.
    #[serde(default)]
    pub ephemeral: bool,
    /// When it was created.
    #[serde(default, deserialize_with = "lenient_time")]
    pub created_at: Option<Timestamp>,
    /// When it was last started; a time in the year 1 or 1970 if it never was.
    #[serde(default, deserialize_with = "lenient_time")]
    pub last_used_at: Option<Timestamp>,
    /// Its profiles, the last one wins.
    #[serde(default, deserialize_with = "nullable")]
    pub profiles: Vec<String>,
    /// The cluster member it is on, `none` without a cluster.
    #[serde(default)]
    pub location: String,
    /// What it does at the moment; only in lists with state, and only if LXD could find out.
    #[serde(default)]
    pub state: Option<InstanceState>,
}

/// An instance to be made from an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewInstance {
    /// At most 63 letters, digits and hyphens.
    pub name: String,
    /// `container` or `virtual-machine`.
    pub instance_type: String,
    /// The image.
    pub image: ImageSource,
    /// Whether LXD deletes it when it stops.
    pub ephemeral: bool,
    /// Profiles, the last one wins.
    pub profiles: Vec<String>,
    /// Settings.
    pub config: super::Config,
    /// Devices.
    pub devices: super::Devices,
    /// For people.
    pub description: String,
}

/// An instance to be made as a copy of another one of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyInstance {
    /// The new one's name.
    pub name: String,
    /// The one to copy, or `name/snapshot`.
    pub source: String,
    /// Whether LXD deletes the copy when it stops.
    pub ephemeral: bool,
    /// Profiles of the copy.
    pub profiles: Vec<String>,
    /// Settings over those of the source.
    pub config: super::Config,
    /// Devices over those of the source.
    pub devices: super::Devices,
    /// For people.
    pub description: String,
}

impl Instance {
    /// Whether LXD has made all of it, and it was never started: only then it has a template to
    /// apply at its start (LXD documentation, "Instance options", `volatile.apply_template`).
    ///
    /// An LXD that is killed while it makes an instance leaves one without a volume, which it
    /// deletes well. Once it was mounted, as to be started or read, LXD 5.0 cannot delete it any
    /// more on btrfs.
    pub fn awaits_first_start(&self) -> bool {
        self.config.contains_key("volatile.apply_template")
    }
}

impl NewInstance {
    /// The same as a copy of an instance, or of its snapshot `NAME/SNAPSHOT`, instead of its image.
    pub fn copied_from(&self, source: &str) -> CopyInstance {
        CopyInstance {
            name: self.name.clone(),
            source: source.to_owned(),
            ephemeral: self.ephemeral,
            profiles: self.profiles.clone(),
            config: self.config.clone(),
            devices: self.devices.clone(),
            description: self.description.clone(),
        }
    }
}

/// A change of an instance's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateChange {
    /// Starts it.
    Start,
    /// Stops it.
    Stop {
        /// Pulls the plug instead of asking the guest.
        force: bool,
        /// How long the guest may take, in whole seconds; without it LXD waits for ever.
        timeout: Option<Duration>,
    },
    /// Halts its processes.
    Freeze,
    /// Lets them go on.
    Unfreeze,
    /// Stops and starts it.
    Restart,
}

impl StateChange {
    /// Stops it at once.
    pub const PULL_THE_PLUG: Self = Self::Stop { force: true, timeout: None };

    fn verb(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Restart => "restart",
        }
    }

    fn body(self) -> Value {
        match self {
            Self::Stop { force, timeout } => {
                // -1 is LXD's word for "for ever".
                let seconds = timeout.map_or(-1, |t| i64::try_from(t.as_secs()).unwrap_or(-1));
                json!({ "action": "stop", "force": force, "timeout": seconds })
            }
            Self::Start | Self::Freeze | Self::Unfreeze | Self::Restart => {
                json!({ "action": self.verb(), "timeout": -1 })
            }
        }
    }
}

impl Client {
    /// Begins to create an instance. That the name is taken, or that a device or the user-data is
    /// wrong, is known when the operation ends; a missing image is known here.
    pub async fn create_instance(&self, new: &NewInstance) -> Result<Operation, Error> {
        let body = json!({
            "name": new.name,
            "type": new.instance_type,
            "ephemeral": new.ephemeral,
            "description": new.description,
            "profiles": new.profiles,
            "config": new.config,
            "devices": new.devices,
            "source": new.image.body(),
        });
        let what = format!("create instance {} from image {}", new.name, new.image);
        self.order(&what, Method::POST, Route::new(&["instances"]), Some(&body)).await
    }

    /// Begins to copy an instance.
    pub async fn copy_instance(&self, copy: &CopyInstance) -> Result<Operation, Error> {
        let body = json!({
            "name": copy.name,
            "ephemeral": copy.ephemeral,
            "profiles": copy.profiles,
            "config": copy.config,
            "devices": copy.devices,
            "description": copy.description,
            "source": { "type": "copy", "source": copy.source },
        });
        let what = format!("copy instance {} to {}", copy.source, copy.name);
        self.order(&what, Method::POST, Route::new(&["instances"]), Some(&body)).await
    }

    /// An instance, or `None`.
    pub async fn instance(&self, name: &str) -> Result<Option<Instance>, Error> {
        let route = Route::new(&["instances", name]);
        self.get_if_there(&format!("look up instance {name}"), route).await
    }

    /// All instances of the project, without their state: cheap.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        self.get("list instances", Route::new(&["instances"]).query("recursion", "1")).await
    }

    /// The instances that fit a filter like `config.user.foo eq bar` (LXD documentation,
    /// "REST API filtering"), without their state.
    pub async fn instances_matching(&self, filter: &str) -> Result<Vec<Instance>, Error> {
        let route = Route::new(&["instances"]).query("recursion", "1").query("filter", filter);
        self.get("list instances", route).await
    }

    /// All instances of the project with their state: some milliseconds for each one that runs.
    pub async fn instances_with_state(&self) -> Result<Vec<Instance>, Error> {
        self.get("list instances", Route::new(&["instances"]).query("recursion", "2")).await
    }

    /// What an instance does at the moment, or `None` if there is no such instance.
    pub async fn instance_state(&self, name: &str) -> Result<Option<InstanceState>, Error> {
        let route = Route::new(&["instances", name, "state"]);
        self.get_if_there(&format!("look at the state of instance {name}"), route).await
    }

    /// Begins to change an instance's state.
    pub async fn change_state(&self, name: &str, change: StateChange) -> Result<Operation, Error> {
        let what = format!("{} instance {name}", change.verb());
        let route = Route::new(&["instances", name, "state"]);
        self.order(&what, Method::PUT, route, Some(&change.body())).await
    }

    /// Changes some of an instance's settings; an empty value takes one away.
    pub async fn patch_config(&self, name: &str, config: &super::Config) -> Result<(), Error> {
        let what = format!("change the settings of instance {name}");
        let route = Route::new(&["instances", name]);
        self.tell(&what, Method::PATCH, route, Some(&json!({ "config": config }))).await
    }

    /// Begins to keep an instance's disk as it is, as `NAME/SNAPSHOT`.
    pub async fn snapshot_instance(&self, name: &str, snapshot: &str) -> Result<Operation, Error> {
        let what = format!("take a snapshot of instance {name}");
        let body = json!({ "name": snapshot, "stateful": false });
        let route = Route::new(&["instances", name, "snapshots"]);
        self.order(&what, Method::POST, route, Some(&body)).await
    }

    /// Begins to delete an instance, which must be stopped.
    pub async fn delete_instance(&self, name: &str) -> Result<Operation, Error> {
        let route = Route::new(&["instances", name]);
        self.order(&format!("delete instance {name}"), Method::DELETE, route, NO_BODY).await
    }

    /// Stops an instance at once, deletes it, and waits until that is done: `limit` at most for each.
    /// One that is not there is removed.
    ///
    /// # Errors
    /// Why it could not be deleted.
    pub async fn remove_instance(&self, name: &str, limit: Duration) -> Result<(), Error> {
        if self.instance(name).await?.is_none() {
            return Ok(());
        }
        if let Ok(operation) = self.change_state(name, StateChange::PULL_THE_PLUG).await {
            // It may be stopped already, or may never have started.
            let stopped = self.wait(&operation, limit).await;
            tracing::debug!(?stopped, "stopped {name}");
        }
        // An ephemeral one goes by itself once it is stopped.
        if self.instance(name).await?.is_none() {
            return Ok(());
        }
        let deleted = match self.delete_instance(name).await {
            Ok(operation) => self.wait(&operation, limit).await.map(drop),
            Err(error) => Err(error),
        };
        match deleted {
            Err(error) if !error.is_not_found() => match self.instance(name).await? {
                Some(_) => Err(error),
                None => Ok(()),
            },
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
