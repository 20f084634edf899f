//! Check of the storage pool: that it is there, fast, and has room.

use std::path::Path;

use super::check::{Check, space};
use crate::lxd::{self, Client, StoragePool};

const NAME: &str = "storage pool";
/// A pool is enlarged to this at least, in GiB.
const ENOUGH: u64 = 50;

/// Looks at the pool of this name. `client` is in the project that pools belong to.
pub(super) async fn check(
    client: &Client,
    server: &lxd::Server,
    name: &str,
) -> Result<Check, lxd::Error> {
    let Some(pool) = client.storage_pool(name).await? else {
        return Ok(Check::fail(NAME, format!("there is no storage pool {name}"), "`larm setup`"));
    };
    let left = client.storage_pool_space(name).await?;
    let what = format!("{name} ({})", pool.driver);
    let fix = more_room(name, &pool, left.total, server.has("storage_pool_loop_resize"));
    let check = space(NAME, &what, left.free(), left.total, &fix);
    if pool.driver == "dir" && check.fix.is_none() {
        let detail = format!("{}; a plain directory makes every start slow", check.detail);
        let fix = "`apt install btrfs-progs`, then `larm setup --pool NEW --pool-driver btrfs`";
        return Ok(Check::warn(NAME, detail, fix));
    }
    Ok(check)
}

/// How a pool that is full gets room. Only newer servers enlarge one, and only in a file of
/// theirs; and no server moves a profile to another pool while instances use it.
fn more_room(name: &str, pool: &StoragePool, total: u64, can_grow: bool) -> String {
    let source = pool.config.get("source").map_or("its directory", String::as_str);
    let gib = (total >> 30).saturating_mul(2).max(ENOUGH);
    let empty = "with no runner left (`larm flush`)";
    if pool.driver == "dir" {
        format!(
            "free some space on the disk of {source}; or take another disk, {empty}: `lxc storage \
             create NEW btrfs source=/dev/DISK` and `larm setup --pool NEW`"
        )
    } else if can_grow && Path::new(source).extension().is_some_and(|ending| ending == "img") {
        format!("enlarge it: `lxc storage set {name} size={gib}GiB`")
    } else {
        format!("make a larger one, {empty}: `larm setup --pool NEW --pool-size {gib}GiB`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(driver: &str, source: &str, gib: u64, can_grow: bool) -> String {
        let config = [("source".to_owned(), source.to_owned())].into();
        let pool = StoragePool { driver: driver.to_owned(), config, ..StoragePool::default() };
        more_room("larm", &pool, gib << 30, can_grow)
    }

    /// The advice was to set the size: LXD 5.0 takes that and does nothing, and a directory has no size.
    #[test]
    fn only_what_can_grow_is_told_to() {
        let file = "/var/lib/lxd/disks/larm.img";
        let grow = "enlarge it: `lxc storage set larm size=50GiB`";
        assert_eq!(fix("btrfs", file, 20, true), grow);
        let new = "`larm setup --pool NEW --pool-size 50GiB`";
        assert!(fix("btrfs", file, 20, false).ends_with(new));
        assert!(fix("btrfs", "/dev/sdb", 20, true).ends_with(new));
        let dir = fix("dir", "/var/lib/lxd/storage-pools/larm", 20, true);
        assert!(dir.starts_with("free some space on the disk of /var/lib/lxd/"), "{dir}");
        assert!(!dir.contains("size="), "{dir}");
    }

    #[test]
    fn a_large_pool_is_not_made_smaller() {
        assert!(fix("zfs", "/x/larm.img", 200, true).contains("size=400GiB"));
    }
}
