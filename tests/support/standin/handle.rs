//! What a test does inside one instance, or to it behind the manager's back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use larm::model::GuestPhase;

use super::files::{Files, Node};
use super::guest::GuestPlan;
use super::instance::{Down, Instance, Power};
use super::world::{Key, World};

/// One instance in a test's hands. What is ordered of an instance that is not there does nothing
/// and says so with `false`.
#[derive(Debug, Clone)]
pub struct GuestHandle {
    world: Arc<World>,
    key: Key,
}

impl GuestHandle {
    pub(super) fn new(world: Arc<World>, key: Key) -> Self {
        Self { world, key }
    }

    /// The listener takes a job that ends well after `duration`; a guest that does not listen yet
    /// takes it as soon as it does.
    pub fn take_job(&self, duration: Duration) -> bool {
        let world = Arc::clone(&self.world);
        self.act(|one| {
            if one.guest.phase() == Some(GuestPhase::Listening) {
                world.begin_job(&self.key, one, duration);
            } else {
                one.guest.waiting_job = Some(duration);
            }
        })
    }

    /// The listener ends with this exit code.
    pub fn finish(&self, code: i32) -> bool {
        self.act(|one| one.guest.finish(Some(code), None))
    }

    /// The listener is killed: it ends with 137, and says so.
    pub fn kill_listener(&self) -> bool {
        self.finish(137)
    }

    /// The runner's processes vanish and nothing notices.
    pub fn lose_processes(&self) -> bool {
        self.act(|one| one.guest.process = false)
    }

    /// The guest shuts itself down.
    pub fn power_off(&self) -> bool {
        self.world.guest_power_off(&self.key);
        self.exists()
    }

    /// Changes what the guest does otherwise than a good one.
    pub fn plan(&self, change: impl FnOnce(&mut GuestPlan)) -> bool {
        self.act(|one| change(&mut one.guest.plan))
    }

    /// The preparation will fail for this reason.
    pub fn fail_boot(&self, reason: &str) -> bool {
        self.plan(|plan| plan.fail_boot = Some(reason.to_owned()))
    }

    /// The preparation will never end.
    pub fn never_ready(&self) -> bool {
        self.plan(|plan| plan.never_ready = true)
    }

    /// No exec in this guest ends any more.
    pub fn hang_exec(&self) -> bool {
        self.plan(|plan| plan.hang_exec = true)
    }

    /// Watches return at once, for ever; `false` ends that.
    pub fn storm(&self, on: bool) -> bool {
        self.plan(|plan| plan.storm = on)
    }

    /// Prints these bytes instead of the report from here on, and rings the bell once.
    pub fn write_report_bytes(&self, bytes: Vec<u8>) -> bool {
        self.act(|one| {
            one.guest.plan.report = Some(bytes);
            one.guest.bell = true;
        })
    }

    /// Prints the true report again.
    pub fn clear_report_bytes(&self) -> bool {
        self.plan(|plan| plan.report = None)
    }

    /// Someone else pauses it.
    pub fn freeze(&self) -> bool {
        self.world.freeze(&self.key, true).is_ok()
    }

    /// Someone else resumes it.
    pub fn unfreeze(&self) -> bool {
        self.world.freeze(&self.key, false).is_ok()
    }

    /// Someone else cuts its power.
    pub fn stop(&self) -> bool {
        let Some(ephemeral) = self.world.power_down(&self.key, Down::Forced) else { return false };
        if ephemeral {
            self.world.forget(&self.key);
        }
        self.world.tell(&self.key, "instance-stopped", true);
        true
    }

    /// Someone else deletes it, running or not.
    pub fn delete(&self) -> bool {
        let there = self.exists();
        if self.world.power_down(&self.key, Down::Forced).is_some() {
            self.world.tell(&self.key, "instance-stopped", true);
        }
        self.world.forget(&self.key);
        there
    }

    /// LXD has trouble with it: its status is "Error".
    pub fn break_down(&self) -> bool {
        self.act(|one| one.power = Power::Error)
    }

    /// LXD has trouble with it no more: it runs, as it did all the time.
    pub fn come_back(&self) -> bool {
        self.act(|one| one.power = Power::Running)
    }

    /// A virtual machine's agent ends, and its guest goes on.
    pub fn lose_agent(&self) -> bool {
        self.act(|one| one.guest.agent = false)
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.look(|_| ()).is_some()
    }

    /// What LXD says of its power.
    pub fn power(&self) -> Option<Power> {
        self.look(|one| one.power)
    }

    /// How far the guest has come.
    pub fn phase(&self) -> Option<GuestPhase> {
        self.look(|one| one.guest.phase()).flatten()
    }

    /// The credential file that was handed over, as it was pushed.
    pub fn credential(&self) -> Option<Vec<u8>> {
        self.look(|one| one.guest.credential.clone()).flatten()
    }

    /// Whether it was asked for its logs, also if it is gone since.
    pub fn asked_for_logs(&self) -> bool {
        self.world.with(|all| all.asked_for_logs.contains(&self.key))
    }

    /// Whether it has removed its registration, also if it is gone since.
    pub fn unregistered(&self) -> bool {
        self.world.with(|all| all.unregistered.contains(&self.key))
    }

    /// How many jobs it took.
    pub fn jobs(&self) -> u32 {
        self.look(|one| one.guest.jobs).unwrap_or_default()
    }

    /// One of its files.
    pub fn file(&self, path: &str) -> Option<Node> {
        self.look(|one| one.files.get(path).cloned()).flatten()
    }

    /// Changes its files.
    pub fn files(&self, change: impl FnOnce(&mut Files)) -> bool {
        self.act(|one| change(&mut one.files))
    }

    /// A value of its configuration.
    pub fn config(&self, key: &str) -> Option<String> {
        self.look(|one| one.config.get(key).cloned()).flatten()
    }

    /// Waits until the guest has come as far as `phase`, or is gone, or `limit` is over; tells
    /// whether it has.
    pub async fn reaches(&self, phase: GuestPhase, limit: Duration) -> bool {
        self.comes_true(limit, |one| one.guest.phase() >= Some(phase)).await
    }

    /// Waits until LXD says this of its power; tells whether it did in time.
    pub async fn turns(&self, power: Power, limit: Duration) -> bool {
        self.comes_true(limit, |one| one.power == power).await
    }

    /// Waits until it is gone from LXD; tells whether it went in time.
    pub async fn goes(&self, limit: Duration) -> bool {
        self.comes_true(limit, |_| false).await || !self.exists()
    }

    /// Waits until it was told to remove its registration; tells whether it was, in time.
    pub async fn unregisters(&self, limit: Duration) -> bool {
        let Some(mut changed) = self.look(|one| one.changed.subscribe()) else {
            return self.unregistered();
        };
        // The end of the instance ends the wait as well.
        let wait = async { while !self.unregistered() && changed.changed().await.is_ok() {} };
        timeout(limit, wait).await.is_ok() && self.unregistered()
    }

    async fn comes_true(&self, limit: Duration, is: impl Fn(&Instance) -> bool) -> bool {
        let Some(mut changed) = self.look(|one| one.changed.subscribe()) else { return false };
        let wait = async {
            loop {
                match self.look(&is) {
                    Some(true) => return true,
                    None => return false,
                    Some(false) => {}
                }
                if changed.changed().await.is_err() {
                    return false;
                }
            }
        };
        timeout(limit, wait).await.unwrap_or(false)
    }

    fn look<T>(&self, look: impl FnOnce(&Instance) -> T) -> Option<T> {
        self.world.with(|all| all.instances.get(&self.key).map(look))
    }

    fn act(&self, act: impl FnOnce(&mut Instance)) -> bool {
        self.world.with(|all| {
            let Some(instance) = all.instances.get_mut(&self.key) else { return false };
            act(instance);
            instance.touch();
            true
        })
    }
}
