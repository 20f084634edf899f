//! Webhooks: who is told, what was sent, what is still to be sent. Sends nothing itself.

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;
use std::time::Duration;
use uuid::Uuid;

use super::chance::Chance;
use super::faults::WebhookFaults;
use super::scope::Scope;
use super::webhooks;

/// Somebody to be told of jobs.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Where to.
    pub url: String,
    /// What deliveries are signed with.
    pub secret: SecretString,
    /// Of which jobs; [`Scope::Anywhere`] makes it the App's hook, which hears of all.
    pub scope: Scope,
}

/// What was sent, or was not.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its number.
    pub id: u64,
    /// The number of its hook.
    pub hook: u64,
    /// The same for each time that it is sent.
    pub guid: String,
    /// When it was sent last.
    pub at: Timestamp,
    /// Whether it is sent again because somebody asked for it.
    pub redelivery: bool,
    /// How long the answer took.
    pub duration: Duration,
    /// The answer: a reason in words, and the status code; 0 while there is none.
    pub status: (String, u16),
    /// `queued`, `in_progress`, `completed` or `waiting`.
    pub action: String,
    /// The installation's number.
    pub installation: Option<u64>,
    /// The repository's number.
    pub repository: u64,
    /// The body.
    pub body: String,
}

/// A request that is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) delivery: u64,
    pub(super) hook: u64,
    pub(super) guid: String,
    pub(super) url: String,
    pub(super) body: String,
    pub(super) signature: String,
    pub(super) target: &'static str,
    /// How long it is held back, out of its turn.
    pub(super) late: Option<Duration>,
}

/// The hooks and their deliveries.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    known: Vec<(u64, Hook)>,
    deliveries: Vec<Delivery>,
    /// What is to be sent.
    pub(super) outbox: Vec<Outgoing>,
    last_delivery: u64,
}

impl Hooks {
    /// Adds a hook and returns its number.
    pub(super) fn add(&mut self, hook: Hook) -> u64 {
        let id = self.known.last().map_or(1, |(id, _)| id + 1);
        self.known.push((id, hook));
        id
    }

    /// The hooks of exactly this place.
    pub(super) fn at(&self, scope: &Scope) -> Vec<(u64, Hook)> {
        self.known.iter().filter(|(_, hook)| hook.scope.is(scope)).cloned().collect()
    }

    /// What was sent by a hook, or by all, newest first.
    pub(super) fn deliveries(&self, hook: Option<u64>) -> Vec<Delivery> {
        let wanted = |one: &&Delivery| hook.is_none_or(|id| id == one.hook);
        self.deliveries.iter().rev().filter(wanted).cloned().collect()
    }

    /// Tells every hook that is to hear of it, or not, as the faults have it.
    pub(super) fn plan(
        &mut self,
        body: &Value,
        action: &str,
        repository: &str,
        faults: &WebhookFaults,
        chance: &mut Chance,
        now: Timestamp,
    ) {
        let hears = |(_, hook): &&(u64, Hook)| hook.scope.covers(repository);
        let hooks: Vec<(u64, Hook)> = self.known.iter().filter(hears).cloned().collect();
        for (id, hook) in hooks {
            if chance.happens(faults.lost_silently) {
                continue;
            }
            let lost = chance.happens(faults.lost);
            let late = chance.happens(faults.late).then(|| chance.up_to(faults.late_by));
            let delivery = self.record(id, Uuid::new_v4().to_string(), action, body, false, now);
            if lost {
                self.answered(delivery, Duration::ZERO, "failed to connect to host", 502);
                continue;
            }
            let sent = self.send(delivery, &hook, late);
            if chance.happens(faults.duplicated) {
                self.outbox.extend(sent.clone());
            }
            if let Some(sent) = sent.filter(|_| chance.happens(faults.forged)) {
                self.outbox.push(forged(sent, body));
            }
        }
    }

    /// Sends a delivery again; its GUID stays. Whether there is such a one.
    pub(super) fn redeliver(&mut self, hook: Option<u64>, delivery: u64, now: Timestamp) -> bool {
        let wanted = |one: &&Delivery| one.id == delivery && hook.is_none_or(|id| id == one.hook);
        let Some(old) = self.deliveries.iter().find(wanted).cloned() else { return false };
        let Some(hook) = self.known.iter().find(|(id, _)| *id == old.hook).cloned() else {
            return false;
        };
        self.last_delivery += 1;
        let id = self.last_delivery;
        let status = (String::new(), 0);
        self.deliveries.push(Delivery { id, at: now, redelivery: true, status, ..old });
        self.send(id, &hook.1, None);
        true
    }

    /// Records the answer to a delivery.
    pub(super) fn answered(&mut self, id: u64, duration: Duration, status: &str, code: u16) {
        if let Some(one) = self.deliveries.iter_mut().find(|one| one.id == id) {
            one.duration = duration;
            one.status = (status.to_owned(), code);
        }
    }

    fn record(
        &mut self,
        hook: u64,
        guid: String,
        action: &str,
        body: &Value,
        redelivery: bool,
        at: Timestamp,
    ) -> u64 {
        self.last_delivery += 1;
        let number = |path: &str| body.pointer(path).and_then(Value::as_u64);
        self.deliveries.push(Delivery {
            id: self.last_delivery,
            hook,
            guid,
            at,
            redelivery,
            duration: Duration::ZERO,
            status: (String::new(), 0),
            action: action.to_owned(),
            installation: number("/installation/id"),
            repository: number("/repository/id").unwrap_or_default(),
            body: body.to_string(),
        });
        self.last_delivery
    }

    fn send(&mut self, id: u64, hook: &Hook, late: Option<Duration>) -> Option<Outgoing> {
        let one = self.deliveries.iter().find(|one| one.id == id)?;
        let outgoing = Outgoing {
            delivery: id,
            hook: one.hook,
            guid: one.guid.clone(),
            url: hook.url.clone(),
            body: one.body.clone(),
            signature: signature(&hook.secret, one.body.as_bytes()),
            target: match hook.scope {
                Scope::Anywhere => "integration",
                Scope::Organization(_) => "organization",
                Scope::Repository(_) => "repository",
            },
            late,
        };
        self.outbox.push(outgoing.clone());
        Some(outgoing)
    }
}

/// `X-Hub-Signature-256` of a body.
fn signature(secret: &SecretString, body: &[u8]) -> String {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    format!("sha256={:x}", mac.finalize().into_bytes())
}

/// A request that somebody else makes up. Delivery 0 is recorded nowhere.
fn forged(like: Outgoing, body: &Value) -> Outgoing {
    let body = webhooks::of_no_job(body).to_string();
    let signature = signature(&SecretString::from("guessed"), body.as_bytes());
    Outgoing { delivery: 0, guid: Uuid::new_v4().to_string(), body, signature, ..like }
}
