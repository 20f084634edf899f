//! Many at once.

use std::time::Duration;

use larm::model::GuestPhase;
use tokio::task::JoinSet;

use crate::support::standin::StandInOptions;
use crate::{LIMIT, hand_over, launch, started, watch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_runners_are_cheap() {
    let auto_job = Some(Duration::from_millis(10));
    let (standin, client) = started(StandInOptions { auto_job, ..StandInOptions::default() });
    let begun = tokio::time::Instant::now();
    let mut lives = JoinSet::new();
    for number in 0..200 {
        let client = client.clone();
        let kind = if number % 2 == 0 { "container" } else { "virtual-machine" };
        let guest = standin.guest(&format!("r{number}"));
        lives.spawn(async move {
            let name = format!("r{number}");
            launch(&client, &name, kind).await;
            assert!(guest.reaches(GuestPhase::Ready, LIMIT).await);
            hand_over(&client, &name).await;
            let mut seen = watch(&client, &name, 2).await;
            while !seen.phase.is_final() {
                seen = watch(&client, &name, seen.seq).await;
            }
            assert_eq!(guest.jobs(), 1);
        });
    }
    while let Some(life) = lives.join_next().await {
        life.unwrap();
    }
    println!("200 lives: {:?}, {} requests", begun.elapsed(), standin.requests().len());
    assert_eq!(standin.instances().len(), 200);
}
