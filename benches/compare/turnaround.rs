//! How long a place for one runner is without one: from the end of a job until the next instance is
//! ready, in a pool of one.

use std::time::Duration;

use larm::model::Phase;

use crate::bare::{Contender, Maker, name, now};
use crate::farm::{Course, Kind, come_to_rest, configure, guest_times, kinds, warm_up};
use crate::figures::Figures;
use crate::ground::Ground;
use crate::larm::Larm;
use crate::machine;
use crate::rig::Rig;
use crate::setting::{delete_seeds, no_runner_is_left};
use crate::{BARE, wanted};

/// Turnarounds in each round.
const TURNS: usize = 3;

pub(crate) async fn measure(rig: &Rig, rounds: usize, figures: &mut Figures) {
    for round in 1..=rounds {
        eprintln!("a pool of one, round {round} of {rounds}");
        for kind in kinds().iter().filter(|kind| kind.course != Course::NoJob && wanted(kind.name))
        {
            figures.add_turnarounds(kind.name, farm(kind).await);
        }
        if wanted(BARE) {
            figures.add_turnarounds(BARE, bare(rig).await);
        }
    }
}

/// Without a standby, jobs wait for the place; with one, each job comes when the standby is there.
async fn farm(kind: &Kind) -> Vec<f64> {
    let ground = Ground::open_alone().await.unwrap();
    configure(&ground, kind, 1, 0);
    ground.add_hook();
    let larm = Larm::start(&ground).await;
    warm_up(&ground).await;
    come_to_rest(&larm).await;
    let before = ground.github.jobs().len();
    if kind.course == Course::Standby {
        crate::farm::reload(&ground, &larm, kind, 1, 1);
        for _ in 0..=TURNS {
            larm.until_there_are(&ground, 1, Phase::Standby).await;
            ground.queue("acme/web", &["small"], Duration::ZERO);
            ground.all_finished().await;
        }
        larm.until_there_are(&ground, 1, Phase::Standby).await;
    } else {
        for _ in 0..=TURNS {
            ground.queue("acme/web", &["small"], Duration::ZERO);
        }
        ground.all_finished().await;
    }
    let lengths = lengths(&ground, &larm, before).await;
    crate::farm::reload(&ground, &larm, kind, 1, 0);
    no_runner_is_left(&ground).await;
    larm.stop();
    delete_seeds(&ground).await;
    lengths
}

/// From the end of each job by GitHub's clock to the next time that a guest is ready by its own.
async fn lengths(ground: &Ground, larm: &Larm, before: usize) -> Vec<f64> {
    let guests = guest_times(larm).await;
    let mut ready: Vec<f64> = guests.values().filter_map(|one| one.get("ready").copied()).collect();
    ready.sort_by(f64::total_cmp);
    let ends = ground.github.jobs().into_iter().skip(before).filter_map(|job| job.finished);
    let length = |end: f64| ready.iter().find(|at| **at > end).map(|at| (at - end) * 1000.0);
    ends.filter_map(|end| length(end.as_duration().as_secs_f64())).collect()
}

async fn bare(rig: &Rig) -> Vec<f64> {
    let maker = Maker::new(rig);
    machine::quiet().await;
    let (mut lengths, mut last) = (Vec::new(), name());
    maker.make(&last).await;
    for _ in 0..TURNS {
        let (end, next) = (now(), name());
        maker.remove(&last).await;
        rig.watch.until(std::slice::from_ref(&last), "instance-deleted").await;
        lengths.push((maker.make(&next).await - end) * 1000.0);
        last = next;
    }
    maker.remove(&last).await;
    lengths
}
