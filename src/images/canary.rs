//! The canary: an instance of the new image must become what a runner becomes, with larm's real
//! user-data, before any runner is made from it.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep};

use super::error::ImageError;
use super::instance::Guest;
use crate::guest::{RunnerSource, UserData, bake, command, paths, probe, user_data};
use crate::lxd::NewInstance;
use crate::model::{CloudInitStatus, GuestPhase, GuestReport, ProbeReading};

const PAUSE: Duration = Duration::from_secs(1);
/// How much of cloud-init's output is told.
const TAIL: &str = "20";

/// What is known of a canary.
enum Sign {
    Good,
    Bad(String),
    Unknown(String),
}

/// The user-data of a canary. Without the application in the image it gets as far as it does with
/// one that the host is still to push. It ends itself if nobody else does.
pub(super) fn user_data(application: bool, limit: Duration) -> Result<String, ImageError> {
    let runner = if application { RunnerSource::Image } else { RunnerSource::Pushed };
    let lifetime = SignedDuration::try_from(limit).unwrap_or(SignedDuration::from_hours(1));
    let data = UserData { runner, lifetime: Some(lifetime), ..UserData::default() };
    Ok(user_data::render(&data)?)
}

/// Makes the canary, and waits until it is ready.
pub(super) async fn fly(
    guest: &Guest,
    new: &NewInstance,
    application: bool,
) -> Result<(), ImageError> {
    guest.create(new).await?;
    guest.start().await?;
    let deadline = Instant::now() + guest.boot;
    let why = loop {
        let output = guest.run(command::probe(), command::PROBE_CAP).await?;
        let reading = probe::parse(&output.stdout).map_err(|error| error.to_string());
        let seen = match judge(reading, probe::report(&output.stdout), application) {
            Sign::Good => return Ok(()),
            Sign::Bad(why) => break why,
            Sign::Unknown(seen) => seen,
        };
        if Instant::now() >= deadline {
            break format!("{seen} after {} s", guest.boot.as_secs());
        }
        sleep(PAUSE).await;
    };
    let tail = ["tail", "-n", TAIL, paths::CLOUD_INIT_OUTPUT].map(str::to_owned);
    let output = guest.run(tail.to_vec(), command::OUTPUT_CAP).await;
    let lines = output.map(|output| bake::lines(&output.text())).unwrap_or_default();
    Err(ImageError::Canary { why, lines })
}

fn judge(
    reading: Result<ProbeReading, String>,
    report: Option<GuestReport>,
    application: bool,
) -> Sign {
    if let Some(report) = &report
        && report.phase.is_final()
    {
        return Sign::Bad(report.detail.clone().unwrap_or_else(|| "it has failed".to_owned()));
    }
    let cloud_init = match reading {
        Ok(reading) => reading.cloud_init,
        Err(why) => return Sign::Unknown(why),
    };
    let detail = cloud_init.detail.unwrap_or_default();
    match cloud_init.status {
        CloudInitStatus::Error => return Sign::Bad(format!("cloud-init failed: {detail}")),
        CloudInitStatus::Disabled => return Sign::Bad(format!("cloud-init is off: {detail}")),
        // The last command of the user-data waits for the runner's end.
        CloudInitStatus::Done => {
            return Sign::Bad("cloud-init ended without waiting for the runner".to_owned());
        }
        CloudInitStatus::NotStarted | CloudInitStatus::Running | CloudInitStatus::Degraded => {}
    }
    let wanted = if application { GuestPhase::Ready } else { GuestPhase::Preparing };
    match report.map(|report| report.phase) {
        Some(phase) if phase >= wanted => Sign::Good,
        Some(phase) => Sign::Unknown(format!("it is still {phase:?}").to_lowercase()),
        None => Sign::Unknown("its guest script has not begun".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CloudInitReading;

    fn reading(status: CloudInitStatus) -> ProbeReading {
        let cloud_init = CloudInitReading { status, degraded: false, detail: Some("x".into()) };
        ProbeReading { cloud_init, runner_started: false, runner_process: false }
    }

    #[test]
    fn cloud_init_alone_makes_no_canary() {
        let bad = |status| matches!(judge(Ok(reading(status)), None, true), Sign::Bad(_));
        assert!(bad(CloudInitStatus::Error) && bad(CloudInitStatus::Disabled));
        // A base whose cloud-init leaves out runcmd ends so.
        assert!(bad(CloudInitStatus::Done));
        let unknown = judge(Ok(reading(CloudInitStatus::Running)), None, true);
        assert!(matches!(unknown, Sign::Unknown(_)));
        assert!(matches!(judge(Err("no".into()), None, true), Sign::Unknown(_)));
    }
}
