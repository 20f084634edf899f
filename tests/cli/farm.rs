//! A place with a daemon on the stand-in LXD.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::run::Place;
use crate::support::standin::{StandIn, StandInOptions};

/// A place whose daemon makes containers on a stand-in LXD.
pub(crate) struct Farm {
    pub(crate) place: Place,
    pub(crate) lxd: StandIn,
    _daemon: Daemon,
}

impl Farm {
    /// Starts both, LXD last; for tests with a runtime of more than one thread.
    pub(crate) fn start() -> Self {
        Self::start_at(on_containers())
    }

    /// The same at a place with another configuration.
    pub(crate) fn start_at(place: Place) -> Self {
        let daemon = Daemon::start(&place);
        let lxd = StandIn::start(StandInOptions::default()).unwrap();
        symlink(lxd.socket(), place.path("lxd.sock")).unwrap();
        Self { place, lxd, _daemon: daemon }
    }

    /// Starts the daemon again.
    pub(crate) fn restart(self) -> Self {
        let Self { place, lxd, _daemon: daemon } = self;
        drop(daemon);
        let daemon = Daemon::start(&place);
        Self { place, lxd, _daemon: daemon }
    }

    /// What a command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.place.command(arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A place whose configuration fits the stand-in LXD.
pub(crate) fn on_containers() -> Place {
    let place = Place::new();
    let config = format!(
        "name_prefix = 'clitest'\nstate_dir = '{}'\n\
         [lxd]\nproject = 'default'\n\
         [runner]\ntype = 'container'\nprofiles = ['default']\n",
        place.path("state").display()
    );
    std::fs::write(place.path("larm.toml"), config).unwrap();
    place
}
