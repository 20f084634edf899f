//! Measures how long each way takes on this host.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::seeds::{LIMIT, Seeds};
use crate::lxd::{self, StateChange};
use crate::manager::Grain;
use crate::model::{InstanceType, Way};

/// Each way is tried so often, in turns; its best counts: whatever else the host does only makes
/// it slower.
const ROUNDS: usize = 3;

/// Milliseconds that each way takes, from the order to a container that runs. A machine's start is
/// the same whichever way its disk came to be, and is left out.
pub(super) async fn measure(
    seeds: &Seeds,
    grain: &Grain,
) -> Result<BTreeMap<Way, u64>, lxd::Error> {
    let mut took: BTreeMap<Way, u64> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for way in Way::ALL {
            let name = format!("{}-trial-{way}", seeds.prefix);
            // A daemon that was stopped may have left one.
            seeds.delete(&name).await?;
            let tried = one(seeds, grain, way, &name).await;
            seeds.delete(&name).await?;
            let length = u64::try_from(tried?.as_millis()).unwrap_or(u64::MAX);
            took.entry(way).and_modify(|best| *best = length.min(*best)).or_insert(length);
        }
    }
    Ok(took)
}

async fn one(seeds: &Seeds, grain: &Grain, way: Way, name: &str) -> Result<Duration, lxd::Error> {
    let client = &seeds.client;
    let new = seeds.new_instance(grain, name).await?;
    let begin = Instant::now();
    let operation = match seeds.source(grain, way) {
        None => client.create_instance(&new).await?,
        Some(source) => client.copy_instance(&new.copied_from(&source)).await?,
    };
    client.wait(&operation, LIMIT).await?;
    if grain.instance_type == InstanceType::Container {
        let operation = client.change_state(name, StateChange::Start).await?;
        client.wait(&operation, LIMIT).await?;
    }
    Ok(begin.elapsed())
}
