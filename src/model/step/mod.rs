//! One event met by one runner: `(record, event, now) -> what the record becomes`.
//!
//! A step never acts. What is to be done afterwards follows from the new record
//! ([`super::pending`]), but for questions ([`Step::asks`]), which need no record because an
//! answer that was lost is asked for again by the next sweep.

mod application;
mod draft;
mod ending;
mod frost;
mod guest;
mod health;
mod hold;
mod instance;
mod registration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Action, Deadlines, Event, Fault, Frost, Handover, JournalKind, Phase, Record, Registration,
};
use draft::Draft;

pub use draft::{next_due, next_due_after};

/// What a record becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The record afterwards; equal to the one before if nothing changed.
    pub record: Record,
    /// What goes into the journal with it.
    pub journal: Vec<JournalKind>,
    /// What is to be looked up.
    pub asks: Vec<Action>,
}

/// Why an event was refused. The record stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It runs a job.
    #[error("it is busy with a job")]
    Busy,
    /// It has a credential already, or can take none any more.
    #[error("it takes no credential")]
    NotStandby,
    /// There is no instance any more.
    #[error("its instance is gone")]
    Gone,
}

/// Meets one event. An event that says nothing new changes nothing.
pub fn step(
    record: &Record,
    event: &Event,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Result<Step, Refused> {
    let mut draft = Draft::new(record.clone(), deadlines, now);
    match event {
        Event::Admitted => draft.admitted(),
        Event::Created(took) => draft.created(*took),
        Event::Started(took) => draft.start_done(*took),
        Event::CreateFailed(fault) | Event::StartFailed(fault) => draft.creation_failed(fault),
        Event::Installed { version, took } => draft.installed(version, *took),
        Event::InstallFailed(fault) => draft.install_failed(fault),
        Event::Seen(state) => draft.seen(*state),
        Event::SeenFrozen => draft.seen_frozen(),
        Event::FreezeWanted => draft.freeze_wanted()?,
        Event::Froze => draft.froze(),
        Event::FreezeFailed(fault) => draft.freeze_failed(fault),
        Event::ThawWanted => draft.thaw_wanted()?,
        Event::Thawed(took) => draft.thawed(*took),
        Event::ThawFailed(fault) => draft.thaw_failed(fault),
        Event::Reported(report) => draft.reported(report),
        Event::Probed(probe) => draft.probed(probe),
        Event::Claimed => draft.claimed()?,
        Event::Bound(binding) => draft.bound(binding)?,
        Event::Recognized { binding, registration } => draft.recognized(binding, *registration),
        Event::Registered(id) => draft.registered(*id),
        Event::NotRegistered { error, until } => draft.not_registered(error, *until),
        Event::Unregistered => draft.unregistered(),
        Event::CredentialLost => draft.credential_lost(),
        Event::HandedOver(took) => draft.handed_over(*took),
        Event::HandOverFailed(fault) => draft.hand_over_failed(fault),
        Event::JobKnown(facts) => draft.record.job.learn(facts),
        Event::RemovalWanted { force, reason } => draft.removal_wanted(*force, reason)?,
        Event::HoldWanted(length) => draft.hold_wanted(*length)?,
        Event::Released => draft.released(),
        Event::Quiesced(outcome) => draft.quiesced(outcome),
        Event::Collected(report) => draft.collected(report.as_deref()),
        Event::CollectFailed(fault) | Event::RemoveFailed(fault) => draft.ending_failed(fault),
        Event::Removed => draft.removed(),
        Event::Due => draft.due(),
        Event::Swept => draft.swept(),
    }
    Ok(draft.finish())
}

impl Draft<'_> {
    fn claimed(&mut self) -> Result<(), Refused> {
        self.takes_credential()?;
        self.record.handover = Handover::Wanted;
        self.thaw_for_use();
        self.begin_hand_over();
        Ok(())
    }

    fn takes_credential(&self) -> Result<(), Refused> {
        let open = self.record.phase <= Phase::Standby && self.record.removal.is_none();
        if open && self.record.handover == Handover::None {
            Ok(())
        } else {
            Err(Refused::NotStandby)
        }
    }

    /// From here on the credential may be in the guest, whatever becomes of the push.
    fn begin_hand_over(&mut self) {
        let waits = self.record.phase == Phase::Standby && self.record.frost == Frost::None;
        if waits && self.record.handover == Handover::Wanted {
            self.record.handover = Handover::Pushing;
            self.record.pushing_since = Some(self.now);
            if self.record.binding.is_some() {
                self.record.registration = Registration::Sought;
            }
        }
    }

    fn handed_over(&mut self, took: SignedDuration) {
        if self.record.handover == Handover::Pushing {
            self.lxd_worked(took);
            self.record.handover = Handover::Pushed;
            self.record.handed_over_at = Some(self.now);
            self.record.retry = None;
        }
    }

    pub(super) fn hand_over_failed(&mut self, fault: &Fault) {
        if self.record.phase != Phase::Standby || self.record.handover != Handover::Pushing {
            return;
        }
        if fault.transient && !self.deadline_passed(Phase::Standby) {
            self.retry_after(&fault.message);
        } else {
            self.give_up(&format!("the credential could not be handed over: {}", fault.message));
        }
    }

    fn credential_lost(&mut self) {
        if self.record.phase > Phase::Standby {
            return;
        }
        if self.record.handover == Handover::Wanted {
            self.fail("its credential was lost when the manager ended");
        }
        // The guest may have it: the deadline for listening decides.
        self.handed_over(SignedDuration::ZERO);
    }
}

#[cfg(test)]
mod tests;
