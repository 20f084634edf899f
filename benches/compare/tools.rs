//! LXD's own tools: `lxc`, and `lxd-benchmark`, which makes instances of its own kind.

use std::path::PathBuf;
use std::process::Stdio;

use larm::guest::application;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bare::{Contender, Maker, Places, now};
use crate::figures::{Life, Round};
use crate::meter::Meter;
use crate::rig::{Rig, TOOLS_PREFIX};
use crate::{BENCHMARK, LXC, host, machine};

/// Whether a tool is installed.
pub(crate) fn there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
}

/// The command line of LXD, making the same instance.
pub(crate) struct Lxc<'a> {
    rig: &'a Rig,
    /// Looks at status files, as for bare instances.
    looks: Maker,
    places: Places,
    /// The instance's settings, as `lxc init` reads them.
    settings: Vec<u8>,
    files: TempDir,
}

impl<'a> Lxc<'a> {
    pub(crate) fn new(rig: &'a Rig) -> Self {
        let settings = json!({ "config": rig.template.config, "devices": rig.template.devices });
        let files = TempDir::with_prefix("larm-compare-").unwrap();
        std::fs::write(files.path().join("archive"), &rig.archive).unwrap();
        std::fs::write(files.path().join("complete"), &rig.mark).unwrap();
        Self {
            rig,
            looks: Maker::new(rig),
            places: Places::new(rig),
            // JSON is YAML.
            settings: settings.to_string().into_bytes(),
            files,
        }
    }

    async fn run(&self, arguments: &[&str], input: &[u8]) {
        run(command(self.rig, LXC).args(arguments), input).await;
    }

    async fn push(&self, file: &str, instance: &str, path: &str) {
        let from: PathBuf = self.files.path().join(file);
        let to = format!("{instance}{path}");
        let fixed = ["file", "push", "--create-dirs", "--mode=0600", "--uid=0", "--gid=0"];
        let arguments = [&fixed[..], &[from.to_str().unwrap(), &to]].concat();
        self.run(&arguments, b"").await;
    }
}

impl Contender for Lxc<'_> {
    async fn make(&self, name: &str) -> f64 {
        let image = host::image();
        let mut arguments = vec!["init", &image, name];
        let profiles = self.rig.template.profiles.iter();
        arguments.extend(profiles.flat_map(|one| ["--profile", one.as_str()]));
        if self.rig.template.instance_type == "virtual-machine" {
            arguments.push("--vm");
        }
        if self.rig.template.ephemeral {
            arguments.push("--ephemeral");
        }
        let create = self.places.creates.acquire().await.unwrap();
        self.run(&arguments, &self.settings).await;
        drop(create);
        let start = self.places.starts.acquire().await.unwrap();
        self.run(&["start", name], b"").await;
        drop(start);
        self.push("archive", name, application::ARCHIVE).await;
        self.push("complete", name, application::COMPLETE).await;
        self.looks.ready(name).await
    }

    async fn remove(&self, name: &str) {
        let _delete = self.places.deletes.acquire().await.unwrap();
        self.run(&["stop", "--force", name], b"").await;
        // LXD deletes ephemeral ones by itself.
        if !self.rig.template.ephemeral {
            self.run(&["delete", name], b"").await;
        }
    }
}

/// `lxd-benchmark`: instances of the image and the project's default profile, without user-data. So
/// it has no guest to become ready.
pub(crate) async fn benchmark(rig: &Rig, size: usize) -> Round {
    machine::quiet().await;
    rig.watch.forget(TOOLS_PREFIX);
    let (count, parallel, image) = (size.to_string(), rig.parallel.to_string(), host::image());
    let meter = Meter::begin(rig, None);
    let launch = ["launch", "--count", &count, "--parallel", &parallel, &image];
    run(command(rig, BENCHMARK).args(launch), b"").await;
    let end = now();
    run(command(rig, BENCHMARK).args(["delete", "--parallel", &parallel]), b"").await;
    let names = rig.watch.named(TOOLS_PREFIX, "instance-created");
    assert_eq!(names.len(), size, "{names:?}");
    rig.watch.until(&names, "instance-deleted").await;
    let (cost, begin) = (meter.end(), meter.began());
    let life = |name: &String| -> Life {
        let since = |what, from: f64| (rig.watch.at(name, what).unwrap() - from) * 1000.0;
        vec![
            ("created", since("instance-created", begin)),
            ("started", since("instance-started", begin)),
            ("end to gone", since("instance-deleted", end)),
        ]
    };
    Round { lives: names.iter().map(life).collect(), cost }
}

fn command(rig: &Rig, tool: &str) -> Command {
    let mut command = Command::new(tool);
    command.env("LXD_SOCKET", rig.client.socket()).arg("--project").arg(rig.client.project());
    command
}

async fn run(command: &mut Command, input: &[u8]) {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    // A tool that reads no input may have ended before it was written.
    drop(child.stdin.take().unwrap().write_all(input).await);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} failed: {said}");
}
