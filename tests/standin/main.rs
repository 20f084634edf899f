//! The stand-in LXD itself, through larm's own client: what the other suites rely on.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "../support/mod.rs"]
pub mod support;

mod faults;
mod life;
mod machine;
mod scale;

use std::time::Duration;

use larm::guest::command;
use larm::guest::handover;
use larm::guest::report;
use larm::guest::user_data::{UserData, render};
use larm::lxd::{Client, ClientOptions, Exec, FileOptions, ImageSource, NewInstance, StateChange};
use larm::model::GuestReport;
use support::standin::{StandIn, StandInOptions};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// Enough for any output of ours.
const CAP: usize = command::OUTPUT_CAP;

fn started(options: StandInOptions) -> (StandIn, Client) {
    let standin = StandIn::start(options).unwrap();
    let client = Client::new(ClientOptions::new(standin.socket()));
    (standin, client)
}

fn runner(name: &str, kind: &str) -> NewInstance {
    let user_data = render(&UserData::default()).unwrap();
    let image = if kind == "container" { "larm-debian12" } else { "larm-debian12-vm" };
    NewInstance {
        name: name.to_owned(),
        instance_type: kind.to_owned(),
        image: ImageSource::Alias(image.to_owned()),
        ephemeral: true,
        profiles: vec!["default".to_owned()],
        config: [
            ("cloud-init.user-data".to_owned(), user_data),
            ("boot.autostart".to_owned(), "false".to_owned()),
            ("user.larm.manager".to_owned(), "here".to_owned()),
        ]
        .into(),
        ..NewInstance::default()
    }
}

async fn launch(client: &Client, name: &str, kind: &str) {
    let created = client.create_instance(&runner(name, kind)).await.unwrap();
    client.wait(&created, LIMIT).await.unwrap();
    let booted = client.change_state(name, StateChange::Start).await.unwrap();
    client.wait(&booted, LIMIT).await.unwrap();
}

fn exec(command: Vec<String>) -> Exec {
    Exec { command, ..Exec::default() }
}

async fn watch(client: &Client, name: &str, seq: u64) -> GuestReport {
    let ran = client.run(name, &exec(command::watch(seq)), CAP, LIMIT).await.unwrap();
    assert_eq!(ran.code, 0, "{}", ran.text());
    report::parse(&ran.stdout).unwrap()
}

async fn hand_over(client: &Client, name: &str) {
    let bytes = b"larm-credential 1\njit abc\nend\n".to_vec();
    client.push_file(name, handover::CREDENTIAL, bytes, FileOptions::PRIVATE).await.unwrap();
}
