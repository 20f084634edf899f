//! Which standbys wait frozen, and which warm.
//!
//! As many of a shape as `standby` and `frozen` leave are kept warm; all others that are ready are
//! frozen. When a warm one is taken, the next frozen one is thawed to take its place.

use std::collections::BTreeSet;

use super::Move;
use super::serve::{Server, Shape};
use crate::model::{Frost, Phase, Record};

/// Freezes and thaws what has to be; `leaving` are those that are on their way out.
pub(super) fn tend(server: &mut Server<'_>, leaving: &BTreeSet<String>) {
    for Shape { pool, standby, frozen } in server.shapes() {
        let warm = if frozen == 0 { usize::MAX } else { standby.saturating_sub(frozen) };
        let ready = |record: &&Record| {
            let stays = !leaving.contains(record.id().as_str());
            stays && record.phase == Phase::Standby && record.spec.same_shape(&pool.spec)
        };
        let ready: Vec<_> = server.free.iter().copied().filter(ready).collect();
        for (place, record) in ready.into_iter().enumerate() {
            let runner = record.id().clone();
            let refused = record.warm_until.filter(|until| *until > server.farm.now);
            match (record.frost, place < warm) {
                (Frost::None, false) => match refused {
                    Some(until) => server.look_again(until),
                    None => server.plan.moves.push(Move::Freeze { runner }),
                },
                (Frost::Wanted | Frost::Frozen, true) => {
                    server.plan.moves.push(Move::Thaw { runner });
                }
                // What is being thawed may be needed by the time that it runs.
                (Frost::None, true)
                | (Frost::Thawing, _)
                | (Frost::Wanted | Frost::Frozen, false) => {}
            }
        }
    }
}
