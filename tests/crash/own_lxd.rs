//! A second LXD on this host, which may be ended: `scripts/lxd` starts it and removes it with all
//! that it made.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use larm::lxd::{
    Client, ClientOptions, Config, Devices, ImageFiles, NewNetwork, NewProfile, NewStoragePool,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use crate::ground::PATIENCE;
use crate::host;

/// One place on the host: what an earlier run could not remove is found, and removed.
const HOME: &str = "/var/tmp/larm-crash";
const BRIDGE: &str = "larmcrash0";
const ADDRESS: &str = "10.203.77.1/24";
/// How long LXD may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(5);

/// A second LXD on this host.
pub(crate) struct OwnLxd {
    pub(crate) client: Client,
    pid_file: PathBuf,
    /// Held as long as it is there: no other test starts one meanwhile.
    _lock: File,
}

impl OwnLxd {
    /// Starts one with a pool, a bridge and the image; `None`, with a word, where that cannot be.
    pub(crate) async fn start() -> Option<Self> {
        let first = host::client()?;
        if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/lxd").exists() {
            eprintln!("left out: a second LXD needs root and /usr/bin/lxd");
            return None;
        }
        let lock = tokio::task::spawn_blocking(lock).await.unwrap();
        let home = Path::new(HOME).join("lxd");
        let name = home.to_str().unwrap().replace('/', "-");
        let client = Client::new(ClientOptions::new(home.join("unix.socket")));
        let pid_file = PathBuf::from(format!("/run/larm-lxd{name}.pid"));
        if home.exists() {
            remove();
        }
        DirBuilder::new().recursive(true).mode(0o711).create(&home).unwrap();
        let lxd = Self { client, pid_file, _lock: lock };
        assert!(script("up"), "a second LXD does not start");
        lxd.furnish(&first).await;
        Some(lxd)
    }

    async fn furnish(&self, first: &Client) {
        let client = &self.client;
        let known = std::fs::read_to_string("/proc/filesystems").unwrap();
        let (driver, size) =
            if known.contains("btrfs") { ("btrfs", Some("3GiB")) } else { ("dir", None) };
        let size = size.map(|size| ("size".to_owned(), size.to_owned()));
        let pool = NewStoragePool {
            name: "crash".to_owned(),
            driver: driver.to_owned(),
            config: size.into_iter().collect(),
            ..NewStoragePool::default()
        };
        client.create_storage_pool(&pool).await.unwrap();
        let settings = [("ipv4.address", ADDRESS), ("ipv4.nat", "true"), ("ipv6.address", "none")];
        let network = NewNetwork {
            name: BRIDGE.to_owned(),
            kind: "bridge".to_owned(),
            config: config(&settings),
            ..NewNetwork::default()
        };
        client.create_network(&network).await.unwrap();
        let disk = config(&[("type", "disk"), ("path", "/"), ("pool", "crash")]);
        let nic = config(&[("type", "nic"), ("name", "eth0"), ("network", BRIDGE)]);
        let devices: Devices = [("root".to_owned(), disk), ("eth0".to_owned(), nic)].into();
        let wanted = NewProfile { name: host::profile(), devices, ..NewProfile::default() };
        if client.profile(&wanted.name).await.unwrap().is_none() {
            client.create_profile(&wanted).await.unwrap();
        }
        client.update_profile(&wanted).await.unwrap();
        self.import(first).await;
    }

    /// The image from the host's LXD, as the files in which that one keeps it.
    async fn import(&self, first: &Client) {
        let fingerprint = first.image_by_alias(&host::image()).await.unwrap().unwrap().fingerprint;
        let path = first.socket().with_file_name("images").join(&fingerprint);
        let rootfs = path.with_extension("rootfs");
        let files = if rootfs.exists() {
            ImageFiles::Container { metadata: path, rootfs }
        } else {
            ImageFiles::Unified { path }
        };
        let operation = self.client.import_image(&files).await.unwrap();
        self.client.wait(&operation, PATIENCE).await.unwrap();
        self.client.create_alias(&host::image(), &fingerprint).await.unwrap();
    }

    /// Ends the daemon and starts it again; its instances go on. `meanwhile` is done while there
    /// is none.
    ///
    /// LXD lets open execs end first, for minutes, when it is told to end: who has told it gives
    /// it a few seconds and then kills it, as service managers do.
    pub(crate) async fn restart(&self, signal: Signal, meanwhile: impl FnOnce()) {
        send(&self.pid_file, signal);
        if timeout(GRACE, ended(&self.pid_file)).await.is_err() {
            send(&self.pid_file, Signal::KILL);
            timeout(PATIENCE, ended(&self.pid_file)).await.unwrap();
        }
        meanwhile();
        assert!(script("up"), "it did not start again");
    }
}

impl Drop for OwnLxd {
    fn drop(&mut self) {
        remove();
    }
}

fn pid(file: &Path) -> Option<Pid> {
    Pid::from_raw(std::fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

fn send(pid_file: &Path, signal: Signal) {
    kill_process(pid(pid_file).unwrap(), signal).unwrap();
}

/// Nothing tells of the end of a process that is not one's child.
async fn ended(pid_file: &Path) {
    let comm = format!("/proc/{}/comm", pid(pid_file).unwrap().as_raw_nonzero());
    while std::fs::read_to_string(&comm).is_ok_and(|comm| comm.trim() == "lxd") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// `lxd shutdown` needs a daemon that answers, also to end what a killed one left running. What
/// could not be shut down is left as it is, for the next run to try again.
fn remove() {
    if script("up") && script("purge") {
        if let Err(error) = std::fs::remove_dir_all(HOME) {
            eprintln!("{HOME}: {error}");
        }
    } else {
        eprintln!("the LXD in {HOME} is left behind");
    }
}

/// Whether `scripts/lxd` did it.
fn script(verb: &str) -> bool {
    let home = Path::new(HOME);
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lxd"))
        .arg(verb)
        .env("LXD_DIR", home.join("lxd"))
        .env("LARM_LXD_RESTART", "no")
        .env("LARM_LXD_LOG", home.join("log"))
        .output()
        .unwrap();
    if !output.status.success() {
        eprintln!("scripts/lxd {verb}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

fn lock() -> File {
    let file = File::create(format!("{HOME}.lock")).unwrap();
    file.lock().unwrap();
    file
}

fn config(pairs: &[(&str, &str)]) -> Config {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
