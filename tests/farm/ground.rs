//! What a test stands on: a real LXD, the stand-in GitHub on its bridge with places, an account
//! and a webhook, and a directory for the daemon. Instances of the test's prefix are deleted in
//! the end, also after a failure.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::time::Duration;

use larm::lxd::{Client, ImageSource, NewInstance};
use larm::smoke::bridge_address;
use larm::smoke::standin::{
    Account, AccountKind, Group, Hook, JobSpec, JobState, Organization, Repository, Scope, StandIn,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;

use crate::{host, leftovers};

/// So many farms at a time that wait for deadlines most of the time; one that works needs the whole
/// machine.
const PLACES: u32 = 6;
static PLACE: Semaphore = Semaphore::const_new(6);

/// How long anything may take before a test counts as stuck; nothing is ever waited for longer
/// than it takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

pub(crate) const TOKEN: &str = "ghp_farmfarmfarmfarmfarmfarmfarmfarm0001";
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// What a test stands on.
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) github: StandIn,
    pub(crate) directory: TempDir,
    prefix: String,
    webhook_port: u16,
    _place: SemaphorePermit<'static>,
}

impl Ground {
    /// On the host's LXD; `None`, with a word, where that is left out.
    pub(crate) async fn open() -> Option<Self> {
        Self::with_places(1).await
    }

    /// Like [`Self::open`], and no other farm beside it.
    pub(crate) async fn open_alone() -> Option<Self> {
        Self::with_places(PLACES).await
    }

    async fn with_places(places: u32) -> Option<Self> {
        let client = host::client()?;
        let address = bridge_address(&client, &[host::profile()]).await.unwrap();
        Some(Self::at(client, address, places).await)
    }

    /// On this LXD, whose guests reach the host at `address`, and no other farm beside it.
    pub(crate) async fn on(client: Client, address: IpAddr) -> Self {
        Self::at(client, address, PLACES).await
    }

    async fn at(client: Client, address: IpAddr, places: u32) -> Self {
        let place = PLACE.acquire_many(places).await.unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let github = StandIn::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = github.clone();
        TaskTracker::new().spawn(async move { server.serve(listener).await.unwrap() });
        let prefix = format!("tfarm-{:06x}", uuid::Uuid::new_v4().as_u64_pair().0 & 0xff_ffff);
        let directory = TempDir::with_prefix("larm-farm-").unwrap();
        let webhook_port = free_port();
        let ground = Self { client, github, directory, prefix, webhook_port, _place: place };
        ground.declare();
        ground.write_secrets();
        ground
    }

    fn declare(&self) {
        for name in ["acme/web", "acme/api", "umbrella/one", "umbrella/two"] {
            self.github.add_repository(Repository::new(name));
        }
        for login in ["acme", "umbrella"] {
            let open = |id, name: &str| Group {
                id,
                name: name.to_owned(),
                allows_public_repositories: true,
            };
            let groups = vec![open(1, "Default"), open(3, "fast")];
            self.github.add_organization(Organization { groups, ..Organization::new(login) });
        }
        let scopes = ["repo", "admin:org", "admin:repo_hook", "admin:org_hook"];
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.add_account(TOKEN, AccountKind::Classic { scopes });
    }

    pub(crate) fn add_account(&self, token: &str, kind: AccountKind) {
        self.github.add_account(Account {
            login: format!("user-{}", token.len()),
            token: SecretString::from(token),
            kind,
            targets: None,
        });
    }

    /// GitHub calls the daemon's webhook from here on.
    pub(crate) fn add_hook(&self) {
        self.github.add_hook(Hook {
            url: self.webhook_url(),
            secret: SecretString::from(SECRET),
            scope: Scope::Anywhere,
        });
    }

    pub(crate) fn webhook_url(&self) -> String {
        format!("http://127.0.0.1:{}/webhook", self.webhook_port)
    }

    fn write_secrets(&self) {
        use std::os::unix::fs::PermissionsExt;
        for (name, secret) in [("token", TOKEN), ("secret", SECRET)] {
            std::fs::write(self.path(name), secret).unwrap();
            let only_mine = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(self.path(name), only_mine).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the configuration: the webhook and a poll every `poll`, then `more`.
    pub(crate) fn configure(&self, poll: &str, more: &str) {
        let text = format!(
            "name_prefix = '{prefix}'\n\
             state_dir = '{state}'\n\
             control_socket = '{control}'\n\
             log = 'info,larm=debug'\n\
             [lxd]\nsocket = '{socket}'\nproject = '{project}'\n\
             [runner]\ntype = '{kind}'\nimage = '{image}'\nprofiles = ['{profile}']\n\
             [limits]\nsweep = '5s'\ncreates = 4\nstarts = 4\ndeletes = 4\n\
             [host]\nmemory_reserve = '0B'\ncpu_overcommit = 64\ncreations_per_minute = 1000\ncreation = 'image'\n\
             [github]\nurl = '{github}'\ntoken_file = '{token}'\npoll = '{poll}'\n\
             [webhook]\nlisten = '127.0.0.1:{port}'\nsecret_file = '{secret}'\n\
             {more}",
            prefix = self.prefix,
            state = self.path("state").display(),
            control = self.path("control.sock").display(),
            socket = self.client.socket().display(),
            project = self.client.project(),
            kind = host::instance_type(),
            image = host::image(),
            profile = host::profile(),
            github = self.github.url(),
            token = self.path("token").display(),
            port = self.webhook_port,
            secret = self.path("secret").display(),
        );
        std::fs::write(self.path("larm.toml"), text).unwrap();
    }

    /// Changes how the configuration has instances made, which is from their image otherwise.
    pub(crate) fn create_by(&self, way: &str) {
        let text = std::fs::read_to_string(self.path("larm.toml")).unwrap();
        let text = text.replace("creation = 'image'", &format!("creation = '{way}'"));
        std::fs::write(self.path("larm.toml"), text).unwrap();
    }

    /// Queues a job of a repository.
    pub(crate) fn queue(&self, repository: &str, labels: &[&str], length: Duration) -> u64 {
        let spec = JobSpec::new(&format!("{repository} {}", labels.join(" ")), labels, length);
        self.github.queue_job(JobSpec { repository: repository.to_owned(), ..spec })
    }

    /// Queues a job that runs until it is told to end.
    pub(crate) fn queue_until_told(&self, repository: &str, labels: &[&str]) -> u64 {
        let spec = JobSpec::new(repository, labels, Duration::ZERO);
        let steps = vec!["until [ -e /tmp/over ]; do sleep 0.1; done".to_owned()];
        self.github.queue_job(JobSpec { repository: repository.to_owned(), steps, ..spec })
    }

    /// Ends such a job, which this runner has.
    pub(crate) async fn tell_job_to_end(&self, runner: &str) {
        exec(&self.client, runner, "touch /tmp/over").await;
    }

    /// Waits until GitHub's every job has ended.
    pub(crate) async fn all_finished(&self) {
        let finished = tokio::time::timeout(PATIENCE, self.github.all_finished()).await;
        assert!(finished.is_ok(), "jobs have not ended: {:#?}", self.github.jobs());
    }

    /// Every job ran once and ended well.
    pub(crate) fn expect_jobs_ran_once(&self) {
        for job in self.github.jobs() {
            assert_eq!((job.state, job.runs), (JobState::Succeeded, 1), "{job:#?}");
        }
    }

    /// Who had which job.
    pub(crate) fn runners_of_jobs(&self) -> BTreeMap<u64, String> {
        self.github.jobs().into_iter().filter_map(|job| Some((job.id, job.runner?))).collect()
    }

    /// Waits until neither LXD nor GitHub has anything of this test.
    pub(crate) async fn nothing_is_left(&self) {
        self.until("nothing is left", async || {
            self.instances().await.is_empty() && self.github.runners().is_empty()
        })
        .await;
    }

    /// Looks until it is so.
    pub(crate) async fn until(&self, what: &str, is: impl AsyncFn() -> bool) {
        let looks = async {
            while !is().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, looks).await.is_err() {
            let (instances, runners) = (self.instances().await, self.github.runners());
            panic!("never: {what}; {instances:?} {runners:#?}");
        }
    }

    /// An instance that others might be copied from, as a killed daemon leaves it; its name ends so.
    pub(crate) async fn leave_marked(&self, end: &str) -> String {
        let name = format!("{}{end}", self.prefix);
        let config = [("user.larm.seed".to_owned(), name.clone())].into();
        self.leave(name, config).await
    }

    /// An instance as a build leaves it that was killed long ago.
    pub(crate) async fn leave_of_build(&self) -> String {
        let marks = [("user.larm.bake", "some"), ("user.larm.bake-until", "2020-01-01T00:00:00Z")];
        let config = marks.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        self.leave(format!("{}-bake", self.prefix), config).await
    }

    async fn leave(&self, name: String, config: larm::lxd::Config) -> String {
        let made = self.client.create_instance(&instance(&name, config)).await.unwrap();
        self.client.wait(&made, PATIENCE).await.unwrap();
        name
    }

    /// The names of the instances of this test that there are.
    pub(crate) async fn instances(&self) -> Vec<String> {
        leftovers::named(&self.client, &self.prefix).await.unwrap_or_default()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.github.stop();
        leftovers::sweep(&self.client, &self.prefix);
    }
}

fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a script as root in an instance.
pub(crate) async fn exec(client: &Client, name: &str, script: &str) {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let exec = larm::lxd::Exec { command, ..larm::lxd::Exec::default() };
    drop(client.run(name, &exec, 64 * 1024, Duration::from_secs(30)).await);
}

/// An instance that no larm makes, of the tests' image.
pub(crate) fn instance(name: &str, config: larm::lxd::Config) -> NewInstance {
    NewInstance {
        name: name.to_owned(),
        instance_type: host::instance_type(),
        image: ImageSource::Alias(host::image()),
        profiles: vec![host::profile()],
        config,
        ..NewInstance::default()
    }
}
