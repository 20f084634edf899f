//! The simulated guest: what happens inside an instance once it runs, without any shell.
//!
//! ```text
//! off -> booting -> preparing -> ready -> claimed -> listening -> busy -> finished
//!                       \-> failed          (any of them may be ended by a flush, or by death)
//! ```
//!
//! A guest is a runner when its user-data is larm's; any other only boots.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use larm::clock;
use larm::guest::application::{ARCHIVE, COMPLETE, read_mark};
use larm::guest::paths::{APPLICATION, CLAIMED, CREDENTIAL, INCOMING, SCRIPT};
use larm::model::{
    CloudInitStatus, Found, GuestPhase, GuestReport, PostJobMetrics, PostJobStatus, PreJobMetrics,
    StatusInfo,
};

use super::files::Node;
use super::instance::{Instance, Power};
use super::world::{Key, World};

/// What a guest will do otherwise than a good one does.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub struct GuestPlan {
    /// The preparation fails for this reason.
    pub fail_boot: Option<String>,
    /// The preparation never ends.
    pub never_ready: bool,
    /// A virtual machine's agent never comes up.
    pub no_agent: bool,
    /// It takes the credential before LXD has set the file's owner: the push is answered 404.
    pub hasty: bool,
    /// The listener never gets to listen.
    pub never_listening: bool,
    /// No exec ever ends.
    pub hang_exec: bool,
    /// Watches return at once, for ever.
    pub storm: bool,
    /// What is printed instead of the report.
    pub report: Option<Vec<u8>>,
    /// What is printed instead of the probe.
    pub probe: Option<Vec<u8>>,
}

/// What is inside an instance.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Guest {
    /// What it does otherwise than a good one.
    pub(super) plan: GuestPlan,
    /// Whether it has our user-data.
    pub(super) ours: bool,
    /// Whether it waits for the host to push the runner application.
    pub(super) awaits_application: bool,
    /// Whether it has come as far as to take that.
    pub(super) is_prepared: bool,
    /// Whether the host can reach into it.
    pub(super) agent: bool,
    pub(super) cloud_init: CloudInitStatus,
    pub(super) report: Option<GuestReport>,
    /// Set when watches are to print, once, what was ordered to be printed.
    pub(super) bell: bool,
    pub(super) process: bool,
    pub(super) credential: Option<Vec<u8>>,
    /// A job given before the listener was there to take it.
    pub(super) waiting_job: Option<Duration>,
    /// How many jobs ran.
    pub(super) jobs: u32,
}

impl Guest {
    pub(super) fn new() -> Self {
        Self {
            plan: GuestPlan::default(),
            ours: false,
            awaits_application: false,
            is_prepared: false,
            agent: false,
            cloud_init: CloudInitStatus::NotStarted,
            report: None,
            bell: false,
            process: false,
            credential: None,
            waiting_job: None,
            jobs: 0,
        }
    }

    /// Back to how a guest is that is not running.
    pub(super) fn power_down(&mut self) {
        self.agent = false;
        self.cloud_init = CloudInitStatus::NotStarted;
        self.report = None;
        self.process = false;
        self.is_prepared = false;
    }

    pub(super) fn phase(&self) -> Option<GuestPhase> {
        self.report.as_ref().map(|report| report.phase)
    }

    fn enter(&mut self, phase: GuestPhase) {
        let now = clock::now();
        let report = self.report.get_or_insert_with(|| GuestReport {
            seq: 0,
            phase,
            reached: [].into(),
            exit_code: None,
            detail: None,
            oom_kills: 0,
            pre_job: Found::Absent,
            post_job: Found::Absent,
        });
        report.seq += 1;
        report.phase = phase;
        report.reached.insert(phase, now);
    }

    /// What `cloud-init status --format json` returns and prints.
    pub(super) fn cloud_init_status(&self) -> (i32, String) {
        let (code, status, extended) = match self.cloud_init {
            CloudInitStatus::NotStarted => (0, "not started", "not started"),
            CloudInitStatus::Running => (0, "running", "running"),
            CloudInitStatus::Done => (0, "done", "done"),
            CloudInitStatus::Error => (1, "error", "error - done"),
            CloudInitStatus::Degraded => (2, "done", "degraded done"),
            CloudInitStatus::Disabled => (0, "disabled", "disabled"),
        };
        let errors =
            if code == 1 { json!(["('scripts_user', RuntimeError())"]) } else { json!([]) };
        let shown = json!({
            "boot_status_code": "enabled-by-generator", "datasource": "lxd",
            "detail": "DataSourceLXD", "errors": errors, "recoverable_errors": {},
            "status": status, "extended_status": extended,
        });
        (code, shown.to_string())
    }

    /// Ends the runner; `code` is the listener's, if one ran.
    pub(super) fn finish(&mut self, code: Option<i32>, detail: Option<&str>) {
        if !self.ours || self.phase().is_none_or(GuestPhase::is_final) {
            return;
        }
        self.process = false;
        self.cloud_init = CloudInitStatus::Done;
        self.enter(GuestPhase::Finished);
        if let Some(report) = &mut self.report {
            report.exit_code = code;
            report.detail = detail.map(str::to_owned);
            report.post_job = code.map_or(Found::Absent, |code| Found::Present(post_job(code)));
        }
    }
}

impl Instance {
    /// Acts in the guest, if it runs and this is the boot that was meant, and wakes its watches.
    fn live(&mut self, boot: u64, act: impl FnOnce(&mut Self)) -> bool {
        let alive = self.boot == boot && self.power != Power::Stopped;
        if alive {
            act(self);
            self.touch();
        }
        alive
    }
}

impl World {
    /// Acts in a guest, if it still runs in this boot. A frozen guest acts once it is thawed.
    pub(super) fn in_guest(
        self: &Arc<Self>,
        key: Key,
        boot: u64,
        act: impl FnOnce(&Arc<Self>, &mut Instance) + Send + 'static,
    ) {
        // Looked at and subscribed to in one step: a thaw in between would be missed.
        let frozen = self.with(|all| {
            let one = all.instances.get(&key)?;
            (one.power == Power::Frozen && one.boot == boot).then(|| one.changed.subscribe())
        });
        if let Some(mut changed) = frozen {
            let world = Arc::clone(self);
            self.background(async move {
                if changed.changed().await.is_ok() {
                    world.in_guest(key, boot, act);
                }
            });
            return;
        }
        let world = Arc::clone(self);
        self.with(|all| {
            if let Some(instance) = all.instances.get_mut(&key) {
                instance.live(boot, |instance| act(&world, instance));
            }
        });
    }

    /// Lets a guest boot that has just been started.
    pub(super) fn boot_guest(self: &Arc<Self>, key: &Key) {
        let Some((boot, vm, no_agent)) = self.with(|all| {
            let instance = all.instances.get_mut(key)?;
            instance.guest.agent = !instance.is_vm();
            Some((instance.boot, instance.is_vm(), instance.guest.plan.no_agent))
        }) else {
            return;
        };
        if vm && no_agent {
            return;
        }
        let agent = if vm { self.options.agent_delay } else { Duration::ZERO };
        let half = self.options.boot_time / 2;
        let meant = key.clone();
        // Each step orders the next: two timers of their own could overtake each other.
        self.step(key, boot, agent, move |world, one| {
            one.guest.agent = true;
            let (world, meant) = (Arc::clone(world), meant);
            world.clone().step(&meant.clone(), boot, half, move |_, one| {
                prepare(one);
                world.step(&meant, boot, half, |_, one| prepared(one));
            });
        });
    }

    /// Something that happens in a guest after a while, if it is still up then.
    fn step(
        self: &Arc<Self>,
        key: &Key,
        boot: u64,
        delay: Duration,
        act: impl FnOnce(&Arc<Self>, &mut Instance) + Send + 'static,
    ) {
        let key = key.clone();
        self.later(delay, move |world| world.in_guest(key, boot, act));
    }

    /// Lets a prepared guest take the runner application that may have been pushed.
    pub(super) fn see_application(self: &Arc<Self>, key: &Key) {
        self.with(|all| {
            let instance = all.instances.get_mut(key)?;
            if instance.power == Power::Running && instance.guest.is_prepared {
                install(instance);
                instance.touch();
            }
            Some(())
        });
    }

    /// Lets a ready guest take the credential that may have been pushed.
    pub(super) fn see_handover(self: &Arc<Self>, key: &Key) {
        let boot = self.with(|all| {
            let instance = all.instances.get_mut(key)?;
            let ready = instance.guest.phase() == Some(GuestPhase::Ready);
            let whole = |node: &&Node| node.bytes.ends_with(b"end\n");
            let credential = instance.files.get(CREDENTIAL).filter(whole)?.bytes.clone();
            if !ready || instance.power != Power::Running {
                return None;
            }
            instance.files.remove("/run/larm/handover");
            instance.files.put(CLAIMED, Node::file(""));
            instance.guest.credential = Some(credential);
            // No bell tells of it.
            instance.guest.enter(GuestPhase::Claimed);
            Some((instance.boot, instance.guest.plan.never_listening))
        });
        if let Some((boot, false)) = boot {
            let meant = key.clone();
            self.step(key, boot, self.options.register_time, move |world, one| {
                if one.guest.phase() == Some(GuestPhase::Claimed) {
                    one.guest.process = true;
                    one.guest.enter(GuestPhase::Listening);
                    let job = one.guest.waiting_job.take().or(world.options.auto_job);
                    if let Some(duration) = job {
                        world.begin_job(&meant, one, duration);
                    }
                }
            });
        }
    }

    /// Lets a listening runner take a job that ends well after `duration`.
    pub(super) fn begin_job(
        self: &Arc<Self>,
        key: &Key,
        instance: &mut Instance,
        duration: Duration,
    ) {
        instance.guest.enter(GuestPhase::Busy);
        instance.guest.jobs += 1;
        self.count_job(key);
        if let Some(report) = &mut instance.guest.report {
            report.pre_job = Found::Present(pre_job());
        }
        instance.touch();
        self.step(key, instance.boot, duration, |_, one| one.guest.finish(Some(0), None));
    }
}

/// cloud-init runs, and the preparation begins.
fn prepare(instance: &mut Instance) {
    instance.guest.cloud_init = CloudInitStatus::Running;
    if instance.guest.ours {
        let files = &mut instance.files;
        files.put("/usr/local/lib/larm", Node::directory());
        files.put(SCRIPT, Node { mode: 0o755, ..Node::file("#!/bin/sh\n") });
        files.put("/run/larm", Node::directory());
        for directory in ["/run/larm/handover", "/run/larm/unregister"] {
            files.put(directory, Node { mode: 0o700, ..Node::directory() });
        }
        instance.guest.enter(GuestPhase::Preparing);
    }
}

/// The preparation ends.
fn prepared(instance: &mut Instance) {
    let guest = &mut instance.guest;
    if !guest.ours {
        guest.cloud_init = CloudInitStatus::Done;
    } else if let Some(reason) = guest.plan.fail_boot.clone() {
        guest.cloud_init = CloudInitStatus::Error;
        guest.enter(GuestPhase::Failed);
        if let Some(report) = &mut guest.report {
            report.detail = Some(reason);
        }
    } else if !guest.plan.never_ready && guest.phase() == Some(GuestPhase::Preparing) {
        guest.is_prepared = true;
        if guest.awaits_application {
            install(instance);
        } else {
            guest.enter(GuestPhase::Ready);
        }
    }
}

/// Takes the runner application, if it is there whole, and is ready.
fn install(instance: &mut Instance) {
    let (guest, files) = (&mut instance.guest, &mut instance.files);
    let mark = files.get(COMPLETE).map(|node| node.bytes.clone()).unwrap_or_default();
    let Some(sha256) = read_mark(&mark).filter(|_| guest.phase() == Some(GuestPhase::Preparing))
    else {
        return;
    };
    let archive = files.get(ARCHIVE).map(|node| node.bytes.clone()).unwrap_or_default();
    files.remove(INCOMING);
    if format!("{:x}", Sha256::digest(&archive)) == sha256 {
        files.put(APPLICATION, Node { bytes: archive, ..Node::directory() });
        guest.enter(GuestPhase::Ready);
    } else {
        guest.cloud_init = CloudInitStatus::Error;
        guest.enter(GuestPhase::Failed);
        if let Some(report) = &mut guest.report {
            report.detail = Some("the runner application has a wrong checksum".to_owned());
        }
    }
}

fn pre_job() -> PreJobMetrics {
    PreJobMetrics {
        timestamp: seconds(),
        workflow: "build".into(),
        workflow_run_id: "42".into(),
        repository: "acme/web".into(),
        event: "push".into(),
    }
}

fn post_job(code: i32) -> PostJobMetrics {
    let status = if code == 0 { PostJobStatus::Normal } else { PostJobStatus::Abnormal };
    let status_info = Some(StatusInfo { code: code.into() });
    PostJobMetrics { timestamp: seconds(), status, status_info }
}

fn seconds() -> f64 {
    clock::now().as_duration().as_secs_f64()
}
