//! The steps in the guest.

use std::time::Duration;

use tokio::time::sleep;

use super::error::ImageError;
use super::instance::Guest;
use super::progress::{Progress, Step};
use crate::application::Cached;
use crate::guest::{application, bake, cloud_init, paths};
use crate::lxd::FileOptions;
use crate::model::CloudInitStatus;

/// How much of what a step prints is read.
const CAP: usize = 16 << 10;
/// How often the last line of what a step says is read.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until the guest has booted.
pub(super) async fn boot(guest: &Guest) -> Result<(), ImageError> {
    guest.start().await?;
    let command = ["cloud-init", "status", "--wait", "--format", "json"].map(str::to_owned);
    let output = guest.run(command.to_vec(), CAP).await?;
    let reading = cloud_init::parse(output.code, &output.stdout)
        .map_err(|error| ImageError::CloudInit(error.to_string()))?;
    match reading.status {
        CloudInitStatus::Done | CloudInitStatus::Degraded | CloudInitStatus::Running => Ok(()),
        status @ (CloudInitStatus::Error
        | CloudInitStatus::Disabled
        | CloudInitStatus::NotStarted) => Err(ImageError::CloudInit(
            reading.detail.unwrap_or_else(|| format!("its status is {status:?}").to_lowercase()),
        )),
    }
}

/// Brings the script that the other steps are commands of.
pub(super) async fn bring_script(guest: &Guest) -> Result<(), ImageError> {
    push(guest, bake::SCRIPT, bake::SCRIPT_TEXT).await
}

/// Brings the operator's script.
pub(super) async fn bring_operators(guest: &Guest, script: &str) -> Result<(), ImageError> {
    push(guest, bake::OPERATORS_SCRIPT, script).await
}

async fn push(guest: &Guest, path: &str, text: &str) -> Result<(), ImageError> {
    let bytes = text.as_bytes().to_vec();
    let private = FileOptions::PRIVATE;
    guest.bounds.within(guest.client.push_file(&guest.name, path, bytes, private)).await
}

/// Brings the runner application's archive.
pub(super) async fn bring_application(guest: &Guest, archive: &Cached) -> Result<(), ImageError> {
    let (client, name) = (&guest.client, &guest.name);
    let directory = FileOptions { mode: 0o700, ..FileOptions::PRIVATE };
    guest.bounds.within(client.push_directory(name, paths::INCOMING, directory)).await?;
    // LXD stops no instance while a file is being written into it, so it is let end.
    let private = FileOptions::PRIVATE;
    client.push_file_from(name, application::ARCHIVE, &archive.path, private).await?;
    guest.bounds.check()
}

/// Runs a step's command, and tells the last line of what it says; returns what it printed.
pub(super) async fn run(
    guest: &Guest,
    step: Step,
    words: &[&str],
    tell: &mut impl FnMut(Progress),
) -> Result<Vec<String>, ImageError> {
    let command = bake::command(words.iter().copied());
    let output = {
        let mut running = std::pin::pin!(guest.run(command, CAP));
        let mut last = String::new();
        loop {
            tokio::select! {
                output = &mut running => break output?,
                () = sleep(PAUSE) => {}
            }
            // It is nothing but a word for people: what goes wrong with it is of no interest.
            let said = guest.run(bake::command(["tail"]), CAP).await;
            let line = said.ok().and_then(|said| bake::lines(&said.text()).pop());
            if let Some(text) = line.filter(|line| *line != last) {
                last.clone_from(&text);
                tell(Progress::Line { step, text });
            }
        }
    };
    match output.code {
        0 => Ok(bake::lines(&output.text())),
        bake::NO_APT => Err(ImageError::NoApt),
        code => Err(ImageError::Command { code, lines: bake::lines(&output.text()) }),
    }
}
