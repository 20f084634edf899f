//! What the test stands on: the isolated bridge, another network of the host, services of the host
//! on both, the stand-in GitHub, and the daemon's directory. All that was made goes in the end, also
//! after a failure.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use larm::daemon::isolation;
use larm::lxd::{Client, ImageSource, NewInstance, NewNetwork, NewProfile, StateChange};
use larm::smoke::standin::{Account, AccountKind, Repository, StandIn};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::{host, leftovers};

/// How long anything may take before the test counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);
/// How many processes a container may have.
pub(crate) const PROCESSES: &str = "8192";
/// Addresses that the host has during the test: private ones, and one beside that of the metadata
/// services of clouds, which the host itself may need.
pub(crate) const PRIVATE: [&str; 5] =
    ["169.254.213.7", "10.213.7.1", "172.21.213.7", "192.168.213.7", "100.64.213.7"];
const TOKEN: &str = "ghp_isolisolisolisolisolisolisolisol0001";

pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) github: StandIn,
    pub(crate) prefix: String,
    pub(crate) bridge: String,
    /// The host's address on the bridge.
    pub(crate) address: String,
    /// The host's address on a network that is none of the guests' business.
    pub(crate) elsewhere: String,
    pub(crate) directory: TempDir,
}

impl Ground {
    /// `None`, with a word, where real LXD is left out.
    pub(crate) async fn open() -> Option<Self> {
        let client = host::client()?;
        let bridge = host::variable("LARM_TEST_BRIDGE", "larmbr0");
        let network = client.network(&bridge).await.unwrap().unwrap();
        assert!(isolation::is_isolated(&network), "{bridge} is not isolated: run `larm setup`");
        let address =
            network.config.get("ipv4.address").unwrap().split('/').next().unwrap().to_owned();
        let github = serve_github(address.parse().unwrap()).await;
        let bits = uuid::Uuid::new_v4().as_u64_pair().0;
        let prefix = format!("tiso-{:04x}", bits & 0xffff);
        let elsewhere = format!("10.99.{}.1", bits >> 56);
        let directory = TempDir::with_prefix("larm-iso-").unwrap();
        let ground = Self { client, github, prefix, bridge, address, elsewhere, directory };
        ground.make_elsewhere().await;
        ground.take_addresses();
        ground.make_profile().await;
        std::fs::write(ground.path("token"), TOKEN).unwrap();
        let only_mine = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(ground.path("token"), only_mine).unwrap();
        Some(ground)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The name of what this test makes beside instances: short enough for an interface.
    fn thing(&self) -> String {
        self.prefix.replace('-', "")
    }

    /// A network of the host's that is not isolated itself: what shuts is the guests' own bridge.
    async fn make_elsewhere(&self) {
        let pairs =
            [("ipv4.address", format!("{}/24", self.elsewhere)), ("ipv6.address", "none".into())];
        let network = NewNetwork {
            name: self.thing(),
            kind: "bridge".to_owned(),
            description: "larm's test".to_owned(),
            config: pairs.map(|(key, value)| (key.to_owned(), value)).into(),
        };
        self.client.create_network(&network).await.unwrap();
    }

    /// Gives the host more addresses, which go with the network.
    fn take_addresses(&self) {
        for address in PRIVATE {
            let whole = format!("{address}/32");
            let mut command = Command::new("ip");
            command.args(["address", "add", &whole, "dev", &self.thing()]);
            let told = command.output().unwrap();
            assert!(told.status.success(), "{told:?}");
        }
    }

    /// As larm's own profile, on the isolated bridge.
    async fn make_profile(&self) {
        let known = self.client.profile(&host::profile()).await.unwrap().unwrap();
        let root = known.devices.get("root").unwrap().clone();
        let card = [
            ("type", "nic"),
            ("name", "eth0"),
            ("network", &self.bridge),
            ("security.mac_filtering", "true"),
            ("security.ipv4_filtering", "true"),
            ("security.ipv6_filtering", "true"),
            ("security.port_isolation", "true"),
        ];
        let card = card.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let profile = NewProfile {
            name: self.thing(),
            // A profile cannot undo what each instance is given.
            config: [("security.nesting", "true"), ("limits.processes", PROCESSES)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            devices: [("root".to_owned(), root), ("eth0".to_owned(), card)].into(),
            ..NewProfile::default()
        };
        self.client.create_profile(&profile).await.unwrap();
    }

    /// Two runners that wait for jobs.
    pub(crate) fn configure(&self, allow: &[String], deny: &[String]) {
        let text = format!(
            "name_prefix = '{prefix}'\n\
             state_dir = '{state}'\n\
             control_socket = '{control}'\n\
             [lxd]\nsocket = '{socket}'\nproject = '{project}'\n\
             [runner]\ntype = '{kind}'\nimage = '{image}'\nprofiles = ['{profile}']\n\
             [host]\nmemory_reserve = '0B'\ncpu_overcommit = 64\ncreation = 'image'\n\
             [github]\nurl = '{github}'\ntoken_file = '{token}'\npoll = '2s'\n\
             [isolation]\nallow = {allow:?}\ndeny = {deny:?}\n\
             [[pool]]\nname = 'web'\ngithub = 'acme/web'\nmin_idle = 2\nmax = 2\n",
            prefix = self.prefix,
            state = self.path("state").display(),
            control = self.path("control.sock").display(),
            socket = self.client.socket().display(),
            project = self.client.project(),
            kind = host::instance_type(),
            image = host::image(),
            profile = self.thing(),
            github = self.github.url(),
            token = self.path("token").display(),
        );
        std::fs::write(self.path("larm.toml"), text).unwrap();
    }

    /// Waits until both runners are registered and online, and returns their names.
    pub(crate) async fn two_runners(&self) -> [String; 2] {
        let online = async {
            loop {
                let online = self.github.runners().into_iter().filter(|one| one.online);
                let names: Vec<String> = online.map(|one| one.name).collect();
                if let Ok(names) = <[String; 2]>::try_from(names) {
                    return names;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, online).await.expect("the runners reach the stand-in GitHub")
    }

    /// A guest on the network that is not isolated, to show that the probes can succeed.
    pub(crate) async fn free_guest(&self) -> String {
        let instance = NewInstance {
            name: format!("{}-free", self.prefix),
            instance_type: host::instance_type(),
            image: ImageSource::Alias(host::image()),
            ephemeral: true,
            profiles: vec![host::profile()],
            ..NewInstance::default()
        };
        let made = self.client.create_instance(&instance).await.unwrap();
        self.client.wait(&made, PATIENCE).await.unwrap();
        let started = self.client.change_state(&instance.name, StateChange::Start).await.unwrap();
        self.client.wait(&started, PATIENCE).await.unwrap();
        self.address_of(&instance.name, false).await;
        instance.name
    }

    /// An address of a guest, when it has one.
    pub(crate) async fn address_of(&self, name: &str, ipv6: bool) -> String {
        let family = if ipv6 { "-6" } else { "-4" };
        let ask = format!(
            "ip {family} -brief address show eth0 | grep -v tentative | awk '{{print $3}}'"
        );
        let known = async {
            loop {
                let said = crate::probe::sh(&self.client, name, &ask).await;
                if let Some(address) = said.trim().split('/').next().filter(|one| !one.is_empty()) {
                    return address.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.expect("the guest has an address")
    }

    /// A service of the host's; its port.
    pub(crate) async fn service(&self, address: &str) -> u16 {
        let listener = TcpListener::bind((address.parse::<IpAddr>().unwrap(), 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TaskTracker::new().spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                drop(connection);
            }
        });
        port
    }
}

async fn serve_github(address: IpAddr) -> StandIn {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let github = StandIn::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = github.clone();
    TaskTracker::new().spawn(async move { server.serve(listener).await.unwrap() });
    github.add_repository(Repository::new("acme/web"));
    github.add_account(Account {
        login: "isolated".to_owned(),
        token: SecretString::from(TOKEN),
        kind: AccountKind::Classic { scopes: vec!["repo".to_owned()] },
        targets: None,
    });
    github
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.github.stop();
        leftovers::sweep(&self.client, &self.prefix);
        let (client, thing, prefix) = (self.client.clone(), self.thing(), self.prefix.clone());
        let clean = async move {
            let removed = isolation::remove(&client, &prefix, &[thing.clone()].into()).await;
            let profile = client.delete_profile(&thing).await;
            let network = client.delete_network(&thing).await;
            for error in [removed, profile, network].into_iter().filter_map(Result::err) {
                eprintln!("left behind: {error}");
            }
        };
        let clean = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(clean);
        };
        if std::thread::spawn(clean).join().is_err() {
            eprintln!("a network and a profile may be left behind");
        }
    }
}
