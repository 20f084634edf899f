//! Reads the configuration again and takes what can be taken while running.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::isolation::Wanted;
use super::pools::Publisher;
use super::{accounts, guests, stock};
use crate::clock;
use crate::config::Settings;
use crate::farm::{FarmSettings, HostLimits, PollSettings};
use crate::guest::RunnerSource;
use crate::http::ReloadRequest;
use crate::http::types::farm::Reloaded;
use crate::manager::{Accounts, GuestSetup, LxdRunnerManager};
use crate::metrics::Metrics;
use crate::model::Phase;

/// Who is told of other settings.
pub(super) struct Listeners {
    pub(super) manager: LxdRunnerManager,
    pub(super) pools: Arc<Publisher>,
    pub(super) stock: watch::Sender<Arc<stock::Wanted>>,
    pub(super) accounts: watch::Sender<Arc<Accounts>>,
    pub(super) metrics: Metrics,
    pub(super) guests: watch::Sender<Arc<GuestSetup>>,
    pub(super) runner: RunnerSource,
    pub(super) isolation: watch::Sender<Arc<Wanted>>,
    /// What the golden image is built of.
    pub(super) image: watch::Sender<Arc<Settings>>,
}

impl Listeners {
    /// Takes new settings; returns what has changed.
    pub(super) async fn take(
        &self,
        before: &Settings,
        now: &Settings,
        guests: GuestSetup,
    ) -> Reloaded {
        let reloaded = changes(before, now, clock::now());
        let view = self.manager.view();
        let bound = view.runners.values().filter(|record| record.phase < Phase::Gone);
        let bound = bound.filter_map(|record| record.binding.as_ref());
        let in_use = bound.map(|binding| binding.target.connection.clone()).collect();
        let accounts = accounts::all(now, &self.accounts.borrow(), &in_use);
        self.accounts.send_replace(super::counting::counted(&accounts, &self.metrics));
        let guests = guests.after(&self.guests.borrow());
        self.guests.send_replace(Arc::new(guests));
        self.isolation.send_replace(Arc::new(Wanted::of(now)));
        self.stock.send_replace(stock::Wanted::of(now));
        self.image.send_replace(Arc::new(now.clone()));
        self.pools.take(now).await;
        let Reloaded { added, changed, removed, need_restart, .. } = &reloaded;
        tracing::info!(
            ?added,
            ?changed,
            ?removed,
            ?need_restart,
            "the configuration was read again"
        );
        reloaded
    }
}

/// A reload that is under way.
pub(super) type Reloading = Pin<Box<dyn Future<Output = ()>>>;

/// Reads the configuration again, and begins to take it unless it is wrong. Whoever asked for that
/// is told, and may be gone.
pub(super) fn begin(
    listeners: &Arc<Listeners>,
    read_again: &impl Fn() -> Result<Settings, String>,
    settings: &mut Settings,
    request: Option<ReloadRequest>,
) -> Option<Reloading> {
    let tell = |told| {
        if let Some(request) = request {
            drop(request.send(told));
        }
    };
    match read_again().and_then(|now| with_guests(now, listeners.runner.clone())) {
        Err(wrong) => {
            tracing::error!(%wrong, "the configuration is left as it was");
            tell(Err(wrong));
            None
        }
        Ok((now, guests)) => {
            let before = std::mem::replace(settings, now.clone());
            let listeners = Arc::clone(listeners);
            Some(Box::pin(async move { tell(Ok(listeners.take(&before, &now, guests).await)) }))
        }
    }
}

/// A secret that cannot be read leaves all as it was.
fn with_guests(settings: Settings, runner: RunnerSource) -> Result<(Settings, GuestSetup), String> {
    let guests = guests::setup(&settings, runner).map_err(|error| match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    })?;
    Ok((settings, guests))
}

/// What the farm is to know of the configuration, beside its pools.
pub(super) fn farm_settings(settings: &Settings) -> FarmSettings {
    let host = &settings.host;
    let polls = settings.connections.iter().map(|one| {
        let polls = PollSettings { every: one.poll, repositories: one.repositories.clone() };
        (one.name.clone(), polls)
    });
    FarmSettings {
        pools: Vec::new(),
        host: HostLimits {
            memory_reserve: host.memory_reserve,
            disk_reserve: host.disk_reserve,
            cpu_overcommit: u64::from(host.cpu_overcommit),
            creations_per_minute: usize::try_from(host.creations_per_minute).unwrap_or(usize::MAX),
            max_runners: settings.limits.max_runners,
        },
        polls: polls.collect(),
        webhook_url: settings.webhook.as_ref().and_then(|webhook| webhook.url.clone()),
        webhook: settings.webhook.is_some(),
    }
}

fn changes(before: &Settings, now: &Settings, at: Timestamp) -> Reloaded {
    let find = |settings: &Settings, name: &str| {
        settings.pools.iter().find(|pool| pool.name == name).cloned()
    };
    let names = |settings: &Settings| -> Vec<String> {
        settings.pools.iter().map(|pool| pool.name.clone()).collect()
    };
    let (old, new) = (names(before), names(now));
    let is_changed = |name: &&String| find(before, name) != find(now, name);
    Reloaded {
        at: Some(at),
        added: new.iter().filter(|name| !old.contains(name)).cloned().collect(),
        changed: new.iter().filter(|name| old.contains(name)).filter(is_changed).cloned().collect(),
        removed: old.iter().filter(|name| !new.contains(name)).cloned().collect(),
        need_restart: need_restart(before, now),
    }
}

/// Keys that are looked at only when the daemon starts.
fn need_restart(before: &Settings, now: &Settings) -> Vec<String> {
    let webhook = |settings: &Settings| {
        settings.webhook.as_ref().map(|one| (one.listen, one.path.clone(), one.secret_file.clone()))
    };
    [
        ("name_prefix", before.name_prefix != now.name_prefix),
        ("state_dir", before.state_dir != now.state_dir),
        ("control_socket", before.control_socket != now.control_socket),
        ("control_group", before.control_group != now.control_group),
        ("lxd.socket", before.lxd.socket != now.lxd.socket),
        ("lxd.project", before.lxd.project != now.lxd.project),
        ("lxd.timeout", before.lxd.timeout != now.lxd.timeout),
        ("deadlines", before.deadlines != now.deadlines),
        ("log", before.log != now.log),
        ("runner.url", before.runner.tarball != now.runner.tarball),
        ("runner.application", before.runner.application != now.runner.application),
        ("limits.creates", before.limits.creates != now.limits.creates),
        ("limits.starts", before.limits.starts != now.limits.starts),
        ("limits.deletes", before.limits.deletes != now.limits.deletes),
        ("limits.sweep", before.limits.sweep != now.limits.sweep),
        ("limits.journal", before.limits.journal != now.limits.journal),
        ("events", before.events != now.events),
        ("logs", before.logs != now.logs),
        ("webhook", webhook(before) != webhook(now)),
        ("metrics", before.metrics != now.metrics),
    ]
    .into_iter()
    .filter(|(_, changed)| *changed)
    .map(|(key, _)| key.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_changes_is_told() {
        let before = Settings::default();
        let mut now = before.clone();
        assert_eq!(
            changes(&before, &now, Timestamp::UNIX_EPOCH).need_restart,
            Vec::<String>::new()
        );
        now.state_dir = "/elsewhere".into();
        now.limits.journal += 1;
        let told = changes(&before, &now, Timestamp::UNIX_EPOCH);
        assert_eq!(told.need_restart, ["state_dir", "limits.journal"]);
    }
}
