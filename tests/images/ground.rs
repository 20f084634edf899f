//! An alias of a test's own, with what is built under it; all of it goes away with the test.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use larm::lxd::{Client, ClientOptions, Exec, ImageSource, Instance, NewInstance, StateChange};
use larm::smoke::standin::Application;
use serde_json::Value;
use tempfile::TempDir;

use crate::host;

const PATIENCE: Duration = Duration::from_mins(2);

/// A place to build images in.
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) alias: String,
    folder: TempDir,
}

impl Ground {
    /// A place, or `None` if there is no LXD to test on, which is said.
    pub(crate) fn find() -> Option<Self> {
        let client = host::client()?.with_timeout(PATIENCE);
        let folder = TempDir::with_prefix("larm-images-").unwrap();
        let bits = uuid::Uuid::new_v4().as_u64_pair().0 >> 40;
        let ground = Self { client, alias: format!("timg-{bits:06x}"), folder };
        let config = format!(
            "state_dir = \"{}\"\n[lxd]\nproject = {:?}\n[runner]\ntype = {:?}\nprofiles = [{:?}]\n",
            ground.path("state").display(),
            ground.client.project(),
            host::instance_type(),
            host::profile(),
        );
        ground.write("larm.toml", &config);
        let archive = Application::build().unwrap().archive();
        std::fs::write(ground.path("actions-runner-linux-x64-2.999.0.tar"), archive).unwrap();
        Some(ground)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `larm image` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larm"));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LARM_CONFIG", self.path("larm.toml"))
            .env("LARM_LXD_SOCKET", self.client.socket())
            .current_dir(self.folder.path())
            .arg("image")
            .args(arguments);
        command
    }

    /// `larm image build` with a recipe, and whatever else.
    pub(crate) fn build(&self, recipe: &str, more: &[&str]) -> Command {
        self.build_as(&self.alias, recipe, more)
    }

    /// The same under another alias.
    pub(crate) fn build_as(&self, alias: &str, recipe: &str, more: &[&str]) -> Command {
        self.write("recipe.toml", &format!("base = {:?}\n{recipe}", host::image()));
        let mut command = self.command(&["build", "--alias", alias]);
        command.args(["--recipe", "recipe.toml"]).args(more);
        command.args(["--application", "actions-runner-linux-x64-2.999.0.tar"]);
        command
    }

    /// What a command prints as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        serde_json::from_slice(&good(&output).stdout).unwrap()
    }

    /// Number and standing of each generation, the newest first.
    pub(crate) fn standings(&self) -> Vec<(u64, String)> {
        let all = self.json(&["list", &self.alias]);
        let of = |one: &Value| {
            let standing = one["standing"].as_str().unwrap().to_owned();
            (one["number"].as_u64().unwrap(), standing)
        };
        all.as_array().unwrap().iter().map(of).collect()
    }

    /// The image that the alias names.
    pub(crate) async fn target(&self) -> Option<String> {
        self.client.alias_target(&self.alias).await.unwrap()
    }

    /// Instances of builds of this alias.
    pub(crate) async fn instances(&self) -> Vec<String> {
        self.ours().await.into_iter().map(|one| one.name).collect()
    }

    /// Whether one of them runs.
    pub(crate) async fn has_running(&self) -> bool {
        self.ours().await.iter().any(|one| one.status_code.is_running())
    }

    async fn ours(&self) -> Vec<Instance> {
        let all = self.client.instances().await.unwrap().into_iter();
        all.filter(|one| one.config.get("user.larm.bake") == Some(&self.alias)).collect()
    }

    /// An instance as a killed build leaves it.
    pub(crate) async fn leave(&self, name: &str, until: &str) {
        let config = [("user.larm.bake", self.alias.as_str()), ("user.larm.bake-until", until)];
        let new = NewInstance {
            name: name.to_owned(),
            instance_type: host::instance_type(),
            image: ImageSource::Alias(host::image()),
            profiles: vec![host::profile()],
            config: config.map(|(key, is)| (key.to_owned(), is.to_owned())).into(),
            ..NewInstance::default()
        };
        let made = self.client.create_instance(&new).await.unwrap();
        self.client.wait(&made, PATIENCE).await.unwrap();
    }

    /// What a shell prints in an instance of the current generation, once it has booted.
    pub(crate) async fn ask(&self, text: &str) -> String {
        let new = NewInstance {
            name: format!("{}-look", self.alias),
            instance_type: host::instance_type(),
            image: ImageSource::Alias(self.alias.clone()),
            profiles: vec![host::profile()],
            config: [
                ("boot.autostart".to_owned(), "false".to_owned()),
                ("user.larm.bake".to_owned(), self.alias.clone()),
            ]
            .into(),
            ephemeral: true,
            ..NewInstance::default()
        };
        let client = &self.client;
        let made = client.create_instance(&new).await.unwrap();
        client.wait(&made, PATIENCE).await.unwrap();
        let started = client.change_state(&new.name, StateChange::Start).await.unwrap();
        client.wait(&started, PATIENCE).await.unwrap();
        let exec = Exec::new(["sh", "-c", text]);
        let output = client.run(&new.name, &exec, 1 << 16, PATIENCE).await.unwrap();
        let stopped = client.change_state(&new.name, StateChange::PULL_THE_PLUG).await.unwrap();
        client.wait(&stopped, PATIENCE).await.unwrap();
        output.text()
    }
}

/// The same output, if the command went well.
pub(crate) fn good(output: &Output) -> &Output {
    assert!(output.status.success(), "{}", said(output));
    output
}

/// Everything that a command said.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}\n{}\n{}", output.status.code(), text(&output.stdout), text(&output.stderr))
}

impl Drop for Ground {
    fn drop(&mut self) {
        let options = ClientOptions {
            project: self.client.project().to_owned(),
            timeout: PATIENCE,
            ..ClientOptions::new(self.client.socket())
        };
        let alias = self.alias.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(remove(&Client::new(options), &alias));
        });
        assert!(thread.join().is_ok() || std::thread::panicking(), "an image was not removed");
    }
}

async fn remove(client: &Client, alias: &str) {
    for one in client.instances().await.unwrap() {
        if one.config.get("user.larm.bake").is_some_and(|of| of == alias) {
            let stopped = client.change_state(&one.name, StateChange::PULL_THE_PLUG).await;
            if let Ok(operation) = stopped {
                drop(client.wait(&operation, PATIENCE).await);
            }
            if let Ok(operation) = client.delete_instance(&one.name).await {
                drop(client.wait(&operation, PATIENCE).await);
            }
        }
    }
    for image in client.images().await.unwrap() {
        if image.properties.get("user.larm.image").is_some_and(|of| of == alias) {
            let operation = client.delete_image(&image.fingerprint).await.unwrap();
            client.wait(&operation, PATIENCE).await.unwrap();
        }
    }
}
