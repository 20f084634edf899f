//! The control API of a real daemon with very many runners, over its unix socket. The runners are on
//! the stand-in LXD: the daemon does not know the difference.

use std::time::Duration;

use criterion::Criterion;
use larm::lxd::{Client, ClientOptions};
use larm::model::Phase;
use tokio::runtime::Runtime;

use crate::ground::Ground;
use crate::larm::Larm;
use crate::setting::change;
use crate::support::standin::{StandIn, StandInOptions};

const RUNNERS: usize = 1_000;

pub(crate) fn measure(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    // In the runtime, so that the daemon is ready at the first measurement only if one is wanted.
    let (mut farm, name) = (None, "list of 1,000 runners over the control socket");
    criterion.bench_function(name, |bencher| {
        let (_lxd, _ground, larm) = &*farm.get_or_insert_with(|| runtime.block_on(begin()));
        bencher.iter(|| {
            let runners = runtime.block_on(larm.runners());
            assert_eq!(runners.len(), RUNNERS);
        });
    });
    if let Some((lxd, ground, larm)) = farm {
        larm.kill();
        // Nothing is to be deleted one by one: the stand-in goes at once.
        drop(lxd);
        let _inside = runtime.enter();
        drop(ground);
    }
}

async fn begin() -> (StandIn, Ground, Larm) {
    let boot_time = Duration::from_millis(10);
    let lxd = StandIn::start(StandInOptions { boot_time, ..StandInOptions::default() }).unwrap();
    let client = Client::new(ClientOptions::new(lxd.socket()));
    let ground = Ground::on(client, [127, 0, 0, 1].into()).await;
    let pool = format!(
        "[[pool]]\nname = 'web'\ngithub = 'acme/web'\nlabels = ['small']\nmax = {RUNNERS}\n\
         standby = {RUNNERS}\nmemory = '1MiB'\ndisk = '1MiB'\n"
    );
    ground.configure("off", &pool);
    let many = [
        ("creates = 4\nstarts = 4\n", "creates = 50\nstarts = 50\n"),
        ("sweep = '5s'", "sweep = '1h'"),
        ("cpu_overcommit = 64", "cpu_overcommit = 1000"),
        ("per_minute = 1000", "per_minute = 100000"),
    ];
    change(&ground, &many);
    let larm = Larm::start(&ground).await;
    larm.until_there_are(&ground, RUNNERS, Phase::Standby).await;
    (lxd, ground, larm)
}
