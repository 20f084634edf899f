//! What is there, and the doing of the steps.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access};

use super::kernel;
use super::plan::{DEFAULT_PROJECT, Found, Step, Wanted, isolation};
use super::profile::Profile;
use super::subnet;
use crate::cli::report::CliError;
use crate::cli::sysctl::{self, TooLow, Unkept};
use crate::daemon::isolation::{BASE, host_addresses, put_acl};
use crate::lxd::{self, Client};

/// Making a pool's file system takes longer than an ordinary request may.
const POOL_LIMIT: Duration = Duration::from_mins(5);

/// The profiles of these names that are there.
pub(super) async fn profiles(
    client: &Client,
    names: &[String],
) -> Result<BTreeMap<String, lxd::Profile>, CliError> {
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(profile) = client.profile(name).await? {
            found.insert(name.clone(), profile);
        }
    }
    Ok(found)
}

/// Looks at what the plan depends on. `client` is in the runners' project.
pub(super) async fn look(
    client: &Client,
    server: lxd::Server,
    wanted: &Wanted,
    profiles: BTreeMap<String, lxd::Profile>,
) -> Result<Found, CliError> {
    let root = client.with_project(DEFAULT_PROJECT);
    let pool = root.storage_pool(&wanted.pool).await?;
    // Looking may load the module, so it is left out where nothing depends on it.
    let choice = pool.is_none() && wanted.pool_driver.is_none();
    let limits = sysctl::look();
    // Without them guests could reach the host at its public addresses.
    let addresses = host_addresses().map_err(|source| CliError::Io {
        what: "read this host's own addresses in /proc/net/fib_trie".to_owned(),
        source,
    })?;
    Ok(Found {
        server,
        project: client.project_info(client.project()).await?,
        kernel_btrfs: choice && kernel::has_btrfs().await,
        pool,
        bridge: root.network(&wanted.bridge).await?,
        acl: root.network_acl(BASE).await?,
        addresses,
        profiles,
        may_raise: limits.too_low.iter().all(|low| may_write(&low.limit.path())),
        may_keep: may_write(Path::new(sysctl::FILE)),
        limits,
    })
}

/// Whether LXD can filter by address on a bridge: always with nftables, and with ebtables, which
/// the snap brings along.
pub(super) fn can_filter(server: &lxd::Server, socket: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ebtables = || std::env::split_paths(&path).any(|dir| dir.join("ebtables").exists());
    server.environment.firewall == "nftables" || socket.starts_with("/var/snap") || ebtables()
}

/// Does one step.
pub(super) async fn apply(step: &Step, client: &Client) -> Result<(), CliError> {
    let root = client.with_project(DEFAULT_PROJECT);
    match step {
        Step::RaiseLimits(low) => raise(low)?,
        Step::KeepLimits(unkept) => keep(unkept)?,
        Step::CreateProject { name } => client.create_project(&project(name)).await?,
        Step::CreatePool { name, driver, size } => {
            let pool = pool(name, driver, size.as_deref());
            root.with_timeout(POOL_LIMIT).create_storage_pool(&pool).await?;
        }
        Step::CreateAcl(acl) => root.create_network_acl(acl).await?,
        Step::UpdateAcl(acl) => drop(put_acl(&root, acl).await?),
        Step::CreateBridge { name, address, isolated } => {
            create_bridge(&root, name, address.as_deref(), *isolated).await?;
        }
        Step::IsolateBridge { name, .. } => isolate(&root, name).await?,
        Step::CreateProfile(profile) => client.create_profile(&request(profile)).await?,
        Step::UpdateProfile { profile, .. } => client.update_profile(&request(profile)).await?,
    }
    Ok(())
}

fn project(name: &str) -> lxd::Project {
    lxd::Project {
        name: name.to_owned(),
        description: "Runners of larm".to_owned(),
        config: config(&[("features.images", "false"), ("features.profiles", "true")]),
    }
}

fn pool(name: &str, driver: &str, size: Option<&str>) -> lxd::NewStoragePool {
    lxd::NewStoragePool {
        name: name.to_owned(),
        driver: driver.to_owned(),
        description: "Runners of larm".to_owned(),
        config: size.map(|size| ("size".to_owned(), size.to_owned())).into_iter().collect(),
    }
}

/// Creates the bridge: on the address that was asked for, on one that LXD finds, or on one that is
/// not routed.
async fn create_bridge(
    root: &Client,
    name: &str,
    address: Option<&str>,
    isolated: bool,
) -> Result<(), CliError> {
    let made = root.create_network(&bridge(name, address.unwrap_or("auto"), isolated)).await;
    let none_found = |error: &lxd::Error| error.to_string().contains("unused IPv4 subnet");
    match (made, subnet::unused()) {
        (Err(error), Some(unused)) if address.is_none() && none_found(&error) => {
            Ok(root.create_network(&bridge(name, &unused, isolated)).await?)
        }
        (made, _) => Ok(made?),
    }
}

fn bridge(name: &str, address: &str, isolated: bool) -> lxd::NewNetwork {
    let mut config =
        config(&[("ipv4.address", address), ("ipv4.nat", "true"), ("ipv6.address", "none")]);
    if isolated {
        config.extend(isolation::settings(&lxd::Network::default()));
    }
    lxd::NewNetwork {
        name: name.to_owned(),
        kind: "bridge".to_owned(),
        description: isolation::DESCRIPTION.to_owned(),
        config,
    }
}

/// Isolates a bridge. Its ACLs are read again, as a daemon may have added its own meanwhile.
async fn isolate(root: &Client, name: &str) -> Result<(), CliError> {
    let Some(found) = root.network_tagged(name).await? else { return Ok(()) };
    let config = isolation::settings(&found.value);
    let change = lxd::NetworkChange { description: found.value.description, config };
    Ok(root.change_network(name, &change, &found.etag).await?)
}

fn request(profile: &Profile) -> lxd::NewProfile {
    lxd::NewProfile {
        name: profile.name.clone(),
        description: profile.description.clone(),
        config: profile.config.clone(),
        devices: profile.devices.clone(),
    }
}

fn config(pairs: &[(&str, &str)]) -> lxd::Config {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Whether this user may write a file, or make it where it is not there.
fn may_write(path: &Path) -> bool {
    let existing = path.ancestors().find(|path| path.exists());
    existing.is_some_and(|path| access(path, Access::WRITE_OK).is_ok())
}

/// Raises limits in the running kernel.
fn raise(low: &[TooLow]) -> Result<(), CliError> {
    for low in low {
        let path = low.limit.path();
        fs::write(&path, low.limit.good.to_string()).map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

/// Writes limits down for the next boot.
fn keep(unkept: &[Unkept]) -> Result<(), CliError> {
    let file = Path::new(sysctl::FILE);
    let old = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|source| failed(file, source))?,
    };
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
    }
    fs::write(file, sysctl::file_text(&old, unkept)).map_err(|source| failed(file, source))?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o644))
        .map_err(|source| failed(file, source))
}

fn failed(path: &Path, source: io::Error) -> CliError {
    CliError::Io {
        what: format!("write {}: limits of the kernel need root", path.display()),
        source,
    }
}
