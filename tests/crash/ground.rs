//! What a test stands on: a real LXD, the stand-in GitHub on its bridge, a directory for the
//! daemon, and a name prefix of its own. Instances of that prefix are deleted in the end, also
//! after a failure.

use std::path::PathBuf;
use std::time::Duration;

use larm::guest::RunnerSource;
use larm::lxd::{Client, Event, EventHub};
use larm::smoke::bridge_address;
use larm::smoke::standin::{JobRecord, JobSpec, JobState, StandIn};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{host, leftovers};

/// So many tests of this binary work LXD at once: more only wait for each other's guests to boot.
static PLACES: Semaphore = Semaphore::const_new(2);

/// How long anything may take before a test counts as stuck; nothing is ever waited for longer
/// than it takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// What a test stands on.
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) github: StandIn,
    pub(crate) directory: TempDir,
    prefix: String,
    _place: SemaphorePermit<'static>,
}

impl Ground {
    /// On the host's LXD; `None`, with a word, where that is left out.
    pub(crate) async fn open() -> Option<Self> {
        Some(Self::on(host::client()?).await)
    }

    /// On this LXD, whose profile has a bridge.
    pub(crate) async fn on(client: Client) -> Self {
        let place = PLACES.acquire().await.unwrap();
        let address = bridge_address(&client, &[host::profile()]).await.unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let github = StandIn::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = github.clone();
        TaskTracker::new().spawn(async move { server.serve(listener).await.unwrap() });
        let prefix = format!("tcra-{:06x}", uuid::Uuid::new_v4().as_u64_pair().0 & 0xff_ffff);
        let directory = TempDir::with_prefix("larm-crash-").unwrap();
        let ground = Self { client, github, directory, prefix, _place: place };
        ground.configure();
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn configure(&self) {
        let RunnerSource::Download { url, sha256 } = self.github.runner_source() else {
            panic!("the stand-in GitHub serves its application");
        };
        let text = format!(
            "name_prefix = '{prefix}'\n\
             state_dir = '{state}'\n\
             control_socket = '{control}'\n\
             log = 'info,larm=debug'\n\
             [lxd]\nsocket = '{socket}'\nproject = '{project}'\n\
             [runner]\ntype = '{kind}'\nimage = '{image}'\nprofiles = ['{profile}']\n\
             url = '{url}'\nsha256 = '{sha256}'\n\
             [deadlines]\nregister = '8s'\n\
             [host]\ncreation = 'image'\n",
            prefix = self.prefix,
            state = self.path("state").display(),
            control = self.path("control.sock").display(),
            socket = self.client.socket().display(),
            project = self.client.project(),
            kind = host::instance_type(),
            image = host::image(),
            profile = host::profile(),
        );
        std::fs::write(self.path("larm.toml"), text).unwrap();
    }

    /// Queues a job that only [`Self::credential`]'s runner of the same label may take.
    pub(crate) fn queue_job(&self, label: &str, length: Duration) {
        self.github.queue_job(JobSpec::new(label, &[label], length));
    }

    /// A just-in-time configuration for a runner with this label.
    pub(crate) fn credential(&self, label: &str) -> SecretString {
        self.github.jit_config(label, &[label]).unwrap()
    }

    /// What became of the job with this label.
    pub(crate) fn job(&self, label: &str) -> JobRecord {
        self.github.jobs().into_iter().find(|job| job.name == label).unwrap()
    }

    /// The job with this label ran once and ended well.
    pub(crate) fn expect_job_ran(&self, label: &str) {
        let job = self.job(label);
        assert_eq!((job.state, job.runs), (JobState::Succeeded, 1), "{job:?}");
    }

    /// Waits until the job with this label has ended.
    pub(crate) async fn job_ends(&self, label: &str) {
        let mut events = self.github.events();
        let ended = async {
            while !self.job(label).state.is_final() {
                events.recv().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap();
    }

    /// Waits until LXD tells of this.
    pub(crate) async fn next(&self, wanted: impl Fn(&Event) -> bool) {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let hub = EventHub::start(&self.client, &tracker, stop.clone());
        let mut events = hub.subscribe();
        let told = async { while events.next().await.is_some_and(|event| !wanted(&event)) {} };
        tokio::time::timeout(PATIENCE, told).await.unwrap();
        stop.cancel();
    }

    /// The names of the instances of this test that there are.
    pub(crate) async fn instances(&self) -> Vec<String> {
        leftovers::named(&self.client, &self.prefix).await.unwrap()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.github.stop();
        leftovers::sweep(&self.client, &self.prefix);
    }
}
