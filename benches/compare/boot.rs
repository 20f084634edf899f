//! What CPU time a guest takes: to become ready, to start cloud-init, and to be looked at as each
//! sweep does. One guest at a time, by LXD's account of it.

use std::time::Duration;

use larm::guest::command;
use larm::lxd::Exec;
use serde::Serialize;

use crate::bare::{Contender, Maker, name};
use crate::machine;
use crate::rig::Rig;

/// How long a command may take in the guest.
const LIMIT: Duration = Duration::from_mins(1);

/// CPU time of one guest, in seconds, as the mean of all that were looked at.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Boot {
    guests: u32,
    /// Of everything, until it was ready.
    ready_cpu_seconds: f64,
    /// Of a `cloud-init` that does nothing: Python and its modules. A boot has up to four of them.
    cloud_init_cpu_seconds: f64,
    /// Of the first look at it that a sweep takes.
    first_look_cpu_seconds: f64,
    /// Of the next.
    next_look_cpu_seconds: f64,
}

/// Boots so many guests, one after the other.
pub(crate) async fn measure(rig: &Rig, guests: usize) -> Boot {
    let mut sum = Boot::default();
    for guest in 1..=guests {
        eprintln!("a guest's boot, {guest} of {guests}");
        sum = sum.plus(look(rig).await);
    }
    sum.mean()
}

async fn look(rig: &Rig) -> Boot {
    machine::quiet().await;
    let (maker, name) = (Maker::new(rig), name());
    maker.make(&name).await;
    let ready_cpu_seconds = rig.rest.cpu_seconds(&name).await;
    // What else it does at first is no cost of what follows.
    machine::quiet().await;
    let cloud_init = ["cloud-init", "--version"].map(str::to_owned).to_vec();
    let boot = Boot {
        guests: 1,
        ready_cpu_seconds,
        cloud_init_cpu_seconds: cost(rig, &name, cloud_init).await,
        first_look_cpu_seconds: cost(rig, &name, command::probe()).await,
        next_look_cpu_seconds: cost(rig, &name, command::probe()).await,
    };
    maker.remove(&name).await;
    boot
}

/// What a command costs the guest.
async fn cost(rig: &Rig, name: &str, command: Vec<String>) -> f64 {
    let before = rig.rest.cpu_seconds(name).await;
    let exec = Exec { command, ..Exec::default() };
    let output = rig.client.run(name, &exec, command::PROBE_CAP, LIMIT).await.unwrap();
    assert_eq!(output.code, 0, "{}", output.text());
    rig.rest.cpu_seconds(name).await - before
}

impl Boot {
    fn plus(self, other: Self) -> Self {
        Self {
            guests: self.guests + other.guests,
            ready_cpu_seconds: self.ready_cpu_seconds + other.ready_cpu_seconds,
            cloud_init_cpu_seconds: self.cloud_init_cpu_seconds + other.cloud_init_cpu_seconds,
            first_look_cpu_seconds: self.first_look_cpu_seconds + other.first_look_cpu_seconds,
            next_look_cpu_seconds: self.next_look_cpu_seconds + other.next_look_cpu_seconds,
        }
    }

    fn mean(self) -> Self {
        let guests = f64::from(self.guests);
        Self {
            guests: self.guests,
            ready_cpu_seconds: self.ready_cpu_seconds / guests,
            cloud_init_cpu_seconds: self.cloud_init_cpu_seconds / guests,
            first_look_cpu_seconds: self.first_look_cpu_seconds / guests,
            next_look_cpu_seconds: self.next_look_cpu_seconds / guests,
        }
    }

    pub(crate) fn print(self) {
        println!(
            "\nCPU time of a guest alone, mean of {}: {:.2} s until it is ready; {:.2} s each start of \
             cloud-init; {:.2} s the first look of a sweep, {:.2} s the next",
            self.guests,
            self.ready_cpu_seconds,
            self.cloud_init_cpu_seconds,
            self.first_look_cpu_seconds,
            self.next_look_cpu_seconds,
        );
    }
}
