//! Shows how instances are made on this host, and what was measured of it.

use std::collections::BTreeSet;

use super::check::Check;
use crate::config::Settings;
use crate::daemon::stock::{Kept, Measured, Place};
use crate::lxd::{self, Client};
use crate::model::Way;

const NAME: &str = "creation";
const UNREADABLE: &str = "remove `creation.json` from the state directory: it is measured again";

/// One line for each storage pool and kind of instance.
pub(super) async fn check(client: &Client, settings: &Settings) -> Result<Vec<Check>, lxd::Error> {
    let mut places = BTreeSet::new();
    let pools = settings.pools.iter().map(|pool| &pool.spec);
    for spec in pools.chain([&settings.runner.spec]) {
        places.extend(Place::of(client, spec).await?);
    }
    let kept = Kept::read(&settings.state_dir);
    let line = |place: &Place| {
        let at = format!("{}s on {} ({})", place.instance_type, place.pool, place.driver);
        let how = match (settings.host.creation, &kept) {
            (Some(way), _) => format!("{} as configured", from(way)),
            (None, Ok(kept)) => kept.of(place).map_or_else(|| unmeasured().to_owned(), measured),
            (None, Err(error)) => {
                let why = format!("{at}: what was measured cannot be read: {error}");
                return Check::warn(NAME, why, UNREADABLE);
            }
        };
        Check::ok(NAME, format!("{at}: {how}"))
    };
    Ok(places.iter().map(line).collect())
}

fn from(way: Way) -> &'static str {
    match way {
        Way::Image => "from their image,",
        Way::Copy => "as copies of a stopped instance,",
        Way::Snapshot => "as copies of a snapshot,",
    }
}

fn measured(measured: &Measured) -> String {
    let took: Vec<String> =
        measured.took.iter().map(|(way, took)| format!("{way} {took} ms")).collect();
    format!("{} the fastest of {}", from(Way::fastest(&measured.took)), took.join(", "))
}

fn unmeasured() -> &'static str {
    "not measured yet, the daemon does that in a quiet moment"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_told_with_figures() {
        let took = [(Way::Image, 1050), (Way::Copy, 470), (Way::Snapshot, 360)].into();
        let text = measured(&Measured { at: jiff::Timestamp::UNIX_EPOCH, took });
        let all = "image 1050 ms, copy 470 ms, snapshot 360 ms";
        assert_eq!(text, format!("as copies of a snapshot, the fastest of {all}"));
    }
}
