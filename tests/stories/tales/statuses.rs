//! What cloud-init says in real guests, and the health that follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use larm::clock;
use larm::guest::{command, probe};
use larm::lxd::{Client, Exec, FileOptions, ImageSource, NewInstance, StateChange};
use larm::model::{
    CloudInitStatus, CloudRunnerState, Deadlines, Health, NamePrefix, Phase, ProbeReading,
    UnhealthyReason, Vitals, judge,
};

use crate::host;
use crate::stage::{PATIENCE, Place, Real};

/// A guest with this user-data, and what cloud-init is to say in it.
struct Case {
    name: &'static str,
    image: String,
    user_data: &'static str,
    /// A file that is there before the first start.
    file: Option<&'static str>,
    expected: CloudInitStatus,
    degraded: bool,
}

impl Case {
    fn new(name: &'static str, user_data: &'static str, expected: CloudInitStatus) -> Self {
        Self { name, image: host::image(), user_data, file: None, expected, degraded: false }
    }
}

/// Each status, made by a real guest.
pub async fn every_status_is_read_from_a_real_guest(place: Place) {
    assert_eq!(place, Place::RealLxd, "no guest is simulated here");
    let bits = uuid::Uuid::new_v4().as_u64_pair().0 & 0xff_ffff;
    let prefix: NamePrefix = format!("tsty-{bits:06x}").parse().unwrap();
    // It deletes whatever has this prefix when the story ends, however it ends.
    let real = Real::open(&prefix).await;
    let sleeps = "#cloud-config\nruncmd: [[touch, /run/asleep], [sleep, '300']]\n";
    let mut cases = vec![
        Case::new("running", sleeps, CloudInitStatus::Running),
        Case::new("done", "#cloud-config\nruncmd: [['true']]\n", CloudInitStatus::Done),
        Case::new("error", "#cloud-config\nruncmd: [[sh, -c, 'exit 7']]\n", CloudInitStatus::Error),
        Case {
            file: Some("/etc/cloud/cloud-init.disabled"),
            ..Case::new("disabled", sleeps, CloudInitStatus::Disabled)
        },
    ];
    if let Ok(image) = std::env::var("LARM_TEST_IMAGE_TRIXIE") {
        let wrong = Case::new("degraded", "#cloud-config\nusers: 5\n", CloudInitStatus::Done);
        cases.push(Case { image, degraded: true, ..wrong });
    }
    for case in &cases {
        let name = format!("{prefix}-{}", case.name);
        make_and_start(&real, &name, case).await;
        let reading = settled(&real.client, &name, case).await;
        expect_health(case, &reading);
        if case.expected == CloudInitStatus::Running {
            // A fresh guest says so for a moment only. Without what cloud-init notes of this boot
            // it says so again; its last stage writes no more of them.
            let forget = "until [ -e /run/asleep ]; do sleep 0.1; done; \
                rm -f /run/cloud-init/enabled /run/cloud-init/status.json";
            let exec = Exec::new(["sh", "-c", forget]);
            let limit = Duration::from_secs(20);
            assert_eq!(real.client.run(&name, &exec, 1024, limit).await.unwrap().code, 0);
            let case = Case::new("not started", sleeps, CloudInitStatus::NotStarted);
            expect_health(&case, &settled(&real.client, &name, &case).await);
        }
    }
}

async fn make_and_start(real: &Real, name: &str, case: &Case) {
    let client = &real.client;
    make(client, name, real, case).await;
    let started = client.change_state(name, StateChange::Start).await.unwrap();
    client.wait(&started, PATIENCE).await.unwrap();
}

async fn settled(client: &Client, name: &str, case: &Case) -> ProbeReading {
    let settles = async {
        loop {
            if let Some(reading) = look(client, name).await
                && reading.cloud_init.status == case.expected
            {
                return reading;
            }
            // Nothing announces what cloud-init says.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settles).await.expect(case.name)
}

async fn make(client: &Client, name: &str, real: &Real, case: &Case) {
    let spec = real.spec();
    let config: BTreeMap<_, _> = [
        ("boot.autostart".to_owned(), "false".to_owned()),
        ("cloud-init.user-data".to_owned(), case.user_data.to_owned()),
    ]
    .into();
    let instance = NewInstance {
        name: name.to_owned(),
        instance_type: spec.instance_type.as_str().to_owned(),
        image: ImageSource::Alias(case.image.clone()),
        ephemeral: true,
        profiles: spec.profiles,
        config,
        ..NewInstance::default()
    };
    let operation = client.create_instance(&instance).await.unwrap();
    client.wait(&operation, PATIENCE).await.unwrap();
    if let Some(path) = case.file {
        client.push_file(name, path, Vec::new(), FileOptions::PRIVATE).await.unwrap();
    }
}

/// A guest in its first moments may not answer as it should.
async fn look(client: &Client, name: &str) -> Option<ProbeReading> {
    let exec = Exec { command: command::probe(), ..Exec::default() };
    let limit = Duration::from_secs(20);
    let output = client.run(name, &exec, command::PROBE_CAP, limit).await.ok()?;
    probe::parse(&output.stdout).ok()
}

fn expect_health(case: &Case, reading: &ProbeReading) {
    let now = clock::now();
    let health = health(reading, now);
    println!("{}: {health}", case.name);
    assert_eq!(reading.cloud_init.degraded, case.degraded, "{}", case.name);
    match reading.cloud_init.status {
        CloudInitStatus::NotStarted | CloudInitStatus::Running | CloudInitStatus::Degraded => {
            assert_eq!(health, Health::Healthy, "{}", case.name);
        }
        CloudInitStatus::Done => {
            assert_eq!(health, Health::Unhealthy(UnhealthyReason::Finished), "{}", case.name);
        }
        CloudInitStatus::Disabled => {
            let reason = UnhealthyReason::CloudInitDisabled;
            assert_eq!(health, Health::Unhealthy(reason), "{}", case.name);
        }
        CloudInitStatus::Error => {
            let Health::Unhealthy(UnhealthyReason::CloudInitError(detail)) = health else {
                panic!("{}: {health}", case.name)
            };
            assert!(detail.is_some_and(|text| !text.is_empty()), "cloud-init's words are kept");
        }
    }
}

/// As the manager derives it for a guest that runs and was reached.
fn health(reading: &ProbeReading, now: Timestamp) -> Health {
    let probe = Ok(reading.clone());
    let begin = now.saturating_sub(SignedDuration::from_secs(5)).unwrap();
    let vitals = Vitals {
        state: CloudRunnerState::Active,
        phase: Phase::Booting,
        created: begin,
        started: Some(begin),
        probe: Some(&probe),
        frozen: false,
        process_missing_since: None,
    };
    judge(&vitals, &Deadlines::default(), now)
}
