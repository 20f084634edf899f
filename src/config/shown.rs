//! The checked configuration as a file that means the same: every key, with its default where
//! nothing was written.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use toml::{Table, Value};

use super::connection::{AuthSettings, ConnectionSettings, RunnerCredential};
use super::events::EventsSettings;
use super::host::{AUTO, HostSettings};
use super::image::ImageSettings;
use super::isolation::IsolationSettings;
use super::logs::LogSettings;
use super::metrics::MetricsSettings;
use super::settings::{ApplicationOrigin, LimitSettings, LxdSettings, RunnerSettings, Settings};
use super::size;
use super::webhook::WebhookSettings;
use crate::model::{DEFAULT_CONNECTION, Deadlines, GitHubPath, InstanceType, Pool, Spec, Way};

/// Settings as a configuration file: TOML as text, and the same tables and keys for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Shown(Table);

impl Settings {
    /// The configuration file that means these settings.
    pub fn shown(&self) -> Shown {
        let (default, further): (Vec<_>, Vec<_>) =
            self.connections.iter().partition(|connection| connection.name == DEFAULT_CONNECTION);
        let by_name = |connection: &&ConnectionSettings| {
            (connection.name.clone(), Value::Table(of_connection(connection)))
        };
        let mut all = Keys::default();
        all.text("name_prefix", self.name_prefix.as_str());
        all.path("state_dir", &self.state_dir);
        all.path("control_socket", &self.control_socket);
        all.text("control_group", self.control_group.as_ref().map_or("", |group| &group.name));
        all.text("log", &self.log);
        all.put("lxd", of_lxd(&self.lxd));
        all.put("runner", of_runner(&self.runner));
        all.put("deadlines", of_deadlines(&self.deadlines));
        all.put("limits", of_limits(&self.limits));
        all.put("logs", of_logs(&self.logs));
        all.some("github", default.first().map(|connection| of_connection(connection)));
        let further = further.iter().map(by_name).collect::<Table>();
        all.some("connection", Some(further).filter(|tables| !tables.is_empty()));
        all.some("webhook", self.webhook.as_ref().map(of_webhook));
        all.some("metrics", of_metrics(&self.metrics));
        all.put("host", of_host(&self.host));
        all.put("events", of_events(&self.events));
        all.put("image", of_image(&self.image));
        all.put("services", self.services.shown());
        all.put("isolation", of_isolation(&self.isolation));
        let pools: Vec<Table> = self.pools.iter().map(of_pool).collect();
        all.some("pool", Some(pools).filter(|pools| !pools.is_empty()));
        Shown(all.0)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The keys of one table.
#[derive(Default)]
struct Keys(Table);

impl Keys {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        self.put(key, text);
    }

    fn path(&mut self, key: &str, path: &Path) {
        self.put(key, path.display().to_string());
    }

    fn texts(&mut self, key: &str, texts: &[String]) {
        self.put(key, texts.to_vec());
    }

    /// A number beyond what TOML has is beyond what any configuration says.
    fn number(&mut self, key: &str, number: impl TryInto<i64>) {
        self.put(key, number.try_into().unwrap_or(i64::MAX));
    }

    fn length(&mut self, key: &str, length: SignedDuration) {
        self.put(key, format!("{length:#}"));
    }

    fn duration(&mut self, key: &str, length: Duration) {
        self.length(key, SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX));
    }
}

fn of_lxd(lxd: &LxdSettings) -> Table {
    let mut keys = Keys::default();
    keys.some("socket", lxd.socket.as_ref().map(|socket| socket.display().to_string()));
    keys.text("project", &lxd.project);
    keys.duration("timeout", lxd.timeout);
    keys.0
}

fn of_runner(runner: &RunnerSettings) -> Table {
    let mut keys = Keys::default();
    keys.text("pool", &runner.spec.pool);
    put_shape(&mut keys, &runner.spec);
    keys.length("lifetime", runner.lifetime);
    keys.some("application", runner.application.map(application));
    keys.some("url", runner.tarball.as_ref().map(|tarball| tarball.url.clone()));
    keys.some("sha256", runner.tarball.as_ref().map(|tarball| tarball.sha256.clone()));
    keys.0
}

fn application(origin: ApplicationOrigin) -> &'static str {
    match origin {
        ApplicationOrigin::GitHub => "github",
        ApplicationOrigin::Image => "image",
    }
}

fn put_shape(keys: &mut Keys, spec: &Spec) {
    let kind = match spec.instance_type {
        InstanceType::VirtualMachine => "virtual-machine",
        InstanceType::Container => "container",
    };
    keys.text("type", kind);
    keys.text("image", &spec.image);
    keys.texts("profiles", &spec.profiles);
    keys.some("cpu", spec.cpu.map(i64::from));
    keys.some("memory", spec.memory.clone());
    keys.some("disk", spec.disk.clone());
    keys.put("nesting", spec.nesting);
}

fn of_deadlines(deadlines: &Deadlines) -> Table {
    let mut keys = Keys::default();
    keys.length("create", deadlines.create);
    keys.length("boot", deadlines.boot);
    keys.length("register", deadlines.register);
    if let Some(job) = deadlines.job {
        keys.length("job", job);
    }
    keys.length("trouble_grace", deadlines.trouble_grace);
    keys.length("process_grace", deadlines.process_grace);
    if let Some(length) = deadlines.keep_failed {
        keys.length("keep_failed", length);
    }
    keys.0
}

fn of_limits(limits: &LimitSettings) -> Table {
    let mut keys = Keys::default();
    let numbers = [
        ("creates", limits.creates),
        ("starts", limits.starts),
        ("deletes", limits.deletes),
        ("max_runners", limits.max_runners),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            keys.number(key, number);
        }
    }
    keys.duration("sweep", limits.sweep);
    keys.number("journal", limits.journal);
    keys.0
}

fn of_logs(logs: &LogSettings) -> Table {
    let mut keys = Keys::default();
    keys.duration("keep", logs.keep);
    keys.text("max_size", &size::text(logs.max_size));
    keys.number("max_runners", logs.max_runners);
    keys.text("file_size", &size::text(logs.file_size));
    keys.0
}

fn of_connection(connection: &ConnectionSettings) -> Table {
    let mut keys = Keys::default();
    keys.text("url", &connection.url);
    match &connection.auth {
        Some(AuthSettings::Token { file }) => keys.path("token_file", file.path()),
        Some(AuthSettings::App { id, key_file, installation }) => {
            keys.text("app_id", id);
            keys.path("app_key_file", key_file.path());
            if let Some(number) = installation {
                keys.number("app_installation", *number);
            }
        }
        None => {}
    }
    keys.text(
        "credential",
        match connection.credential {
            RunnerCredential::Jit => "jit",
            RunnerCredential::RegistrationToken => "registration-token",
        },
    );
    match connection.poll {
        Some(length) => keys.duration("poll", length),
        None => keys.text("poll", "off"),
    }
    if let Some(repositories) = &connection.repositories {
        keys.texts(
            "repositories",
            &repositories.iter().map(GitHubPath::to_string).collect::<Vec<_>>(),
        );
    }
    keys.0
}

fn of_webhook(webhook: &WebhookSettings) -> Table {
    let mut keys = Keys::default();
    keys.text("listen", &webhook.listen.to_string());
    keys.path("secret_file", webhook.secret_file.path());
    keys.text("path", &webhook.path);
    keys.some("url", webhook.url.clone());
    keys.0
}

fn of_metrics(metrics: &MetricsSettings) -> Option<Table> {
    let mut keys = Keys::default();
    keys.text("listen", &metrics.listen?.to_string());
    Some(keys.0)
}

fn of_host(host: &HostSettings) -> Table {
    let mut keys = Keys::default();
    keys.text("memory_reserve", &size::text(host.memory_reserve));
    keys.text("disk_reserve", &size::text(host.disk_reserve));
    keys.number("cpu_overcommit", host.cpu_overcommit);
    keys.number("creations_per_minute", host.creations_per_minute);
    keys.text("creation", host.creation.map_or(AUTO, Way::as_str));
    keys.0
}

fn of_events(events: &EventsSettings) -> Table {
    let mut keys = Keys::default();
    keys.some("file", events.file.as_ref().map(|file| file.display().to_string()));
    keys.text("max_size", &size::text(events.max_size));
    keys.number("keep", events.keep);
    keys.0
}

fn of_image(image: &ImageSettings) -> Table {
    let mut keys = Keys::default();
    keys.some("alias", image.alias.clone());
    keys.some("recipe", image.recipe.as_ref().map(|file| file.display().to_string()));
    keys.some("base", image.base.clone());
    keys.some("profiles", image.profiles.clone());
    keys.length("rebuild", image.rebuild);
    keys.length("rebuild_before", image.rebuild_before);
    keys.number("keep", image.keep);
    keys.0
}

fn of_isolation(isolation: &IsolationSettings) -> Table {
    let mut keys = Keys::default();
    keys.put("enforce", isolation.enforce);
    keys.texts("allow", &isolation.allow.iter().map(ToString::to_string).collect::<Vec<_>>());
    keys.texts("deny", &isolation.deny.iter().map(ToString::to_string).collect::<Vec<_>>());
    keys.0
}

fn of_pool(pool: &Pool) -> Table {
    let mut keys = Keys::default();
    keys.text("name", &pool.name);
    keys.text("github", &pool.target.path.to_string());
    keys.text("connection", &pool.target.connection);
    keys.some("group", pool.target.path.group());
    keys.texts("labels", &pool.labels);
    put_shape(&mut keys, &pool.spec);
    keys.number("min_idle", pool.min_idle);
    keys.number("standby", pool.standby);
    keys.number("frozen", pool.frozen);
    if !pool.spec.share.is_empty() {
        keys.text("share", &pool.spec.share);
    }
    keys.number("max", pool.max);
    keys.number("priority", pool.priority);
    keys.length("idle_timeout", pool.idle_timeout);
    keys.put("deadlines", of_deadlines(&pool.deadlines));
    keys.0
}
