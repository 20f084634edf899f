//! What all contenders stand on: one LXD and what its events tell, and an instance as larm makes it.

use bytes::Bytes;
use larm::guest::application;
use larm::lxd::Client;
use larm::model::Phase;
use serde::Serialize;
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::larm::Larm;
use crate::process::Process;
use crate::rest::Rest;
use crate::watch::Watch;
use crate::{host, leftovers, number};

/// What the names of bare instances begin with.
pub(crate) const PREFIX: &str = "tcompare";
/// What those of `lxd-benchmark` begin with.
pub(crate) const TOOLS_PREFIX: &str = "benchmark-";

pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) rest: Rest,
    pub(crate) watch: Watch,
    /// LXD's process.
    pub(crate) lxd: Process,
    /// How many are made or deleted at a time.
    pub(crate) parallel: usize,
    /// What larm makes an instance from, without its name.
    pub(crate) template: Template,
    /// The runner application's archive, and the mark that is written after it.
    pub(crate) archive: Bytes,
    pub(crate) mark: Vec<u8>,
}

/// What an instance is made from, as LXD takes it (LXD documentation, REST API, "Create a new
/// instance").
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Template {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) instance_type: String,
    pub(crate) ephemeral: bool,
    pub(crate) profiles: Vec<String>,
    pub(crate) config: larm::lxd::Config,
    pub(crate) devices: larm::lxd::Devices,
    pub(crate) source: Value,
}

impl Rig {
    /// `None`, with a word, where real LXD is left out.
    pub(crate) async fn new() -> Option<Self> {
        let client = host::client()?;
        let there = leftovers::named(&client, TOOLS_PREFIX).await.unwrap();
        assert!(there.is_empty(), "{there:?} are there: delete them, they bear names of the tool");
        let pid = client.server().await.unwrap().environment.server_pid;
        let (template, archive, mark) = capture().await?;
        Some(Self {
            rest: Rest::new(client.socket(), client.project()),
            watch: Watch::begin(&client).await,
            lxd: Process(pid.try_into().unwrap()),
            parallel: number("LARM_BENCH_PARALLEL", 4),
            client,
            template,
            archive,
            mark,
        })
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        leftovers::sweep(&self.client, PREFIX);
        leftovers::sweep(&self.client, TOOLS_PREFIX);
    }
}

/// Has larm make one instance, and takes what it is made from. Keys that are LXD's own or tell whose
/// it is are left out: no larm shall take a bare instance for its own.
async fn capture() -> Option<(Template, Bytes, Vec<u8>)> {
    let ground = Ground::open_alone().await?;
    ground.configure(
        "30s",
        "[[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\nmax = 1\nstandby = 1\n\
         memory = '384MiB'\n",
    );
    let larm = Larm::start(&ground).await;
    larm.until_there_are(&ground, 1, Phase::Standby).await;
    let name = larm.live().await.first()?.name.to_string();
    let mut instance = ground.client.instance(&name).await.unwrap()?;
    let foreign = ["volatile.", "image.", "user.larm."];
    instance.config.retain(|key, _| !foreign.iter().any(|prefix| key.starts_with(prefix)));
    leftovers::delete(&ground.client, &name).await;
    let application = ground.github.application();
    let mark = application::mark(application.sha256());
    let template = Template {
        name: String::new(),
        instance_type: instance.instance_type,
        ephemeral: instance.ephemeral,
        profiles: instance.profiles,
        config: instance.config,
        devices: instance.devices,
        source: json!({ "type": "image", "alias": host::image() }),
    };
    larm.kill();
    Some((template, application.archive(), mark))
}
