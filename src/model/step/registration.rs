//! The runner's registration at GitHub: sought for a pool, made, refused, gone.

use jiff::{SignedDuration, Timestamp};

use super::draft::{Draft, later};
use super::{Fault, Handover, Phase, Refused, Registration};
use crate::model::{Binding, Unregistrable};

/// How long nobody asks again where GitHub did not say; doubled each time.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// The longest pause that is ours to choose.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(1);

impl Draft<'_> {
    pub(super) fn bound(&mut self, binding: &Binding) -> Result<(), Refused> {
        self.takes_credential()?;
        self.note(match binding.job {
            Some(job) => format!("given to pool {} for job {job}", binding.pool),
            None => format!("given to pool {}", binding.pool),
        });
        self.record.binding = Some(binding.clone());
        self.record.handover = Handover::Wanted;
        self.thaw_for_use();
        self.begin_hand_over();
        Ok(())
    }

    /// Its record was rebuilt from LXD, which knows nothing of GitHub.
    pub(super) fn recognized(&mut self, binding: &Binding, registration: u64) {
        let unknown = self.record.binding.is_none() && self.record.handover != Handover::None;
        if unknown && self.record.is_of_farm() && self.record.is_live() {
            self.note(format!("GitHub lists it: it is of pool {}", binding.pool));
            self.record.binding = Some(binding.clone());
            self.record.registration = Registration::Known(registration);
        }
    }

    pub(super) fn registered(&mut self, id: u64) {
        // A hand-over that is repeated gets another number.
        let sought = match self.record.registration {
            Registration::Sought => true,
            Registration::Known(_) => self.record.handover == Handover::Pushing,
            Registration::None | Registration::Ended => false,
        };
        if sought {
            self.record.registration = Registration::Known(id);
            self.record.unregistrable = None;
        }
    }

    /// It goes back to the standbys, unless a credential may have reached it: GitHub's troubles are no
    /// fault of its own. The registration may have been made all the same, which the next try or the
    /// end finds out.
    pub(super) fn not_registered(&mut self, error: &str, until: Option<Timestamp>) {
        let waits = self.record.phase == Phase::Standby
            && self.record.handover == Handover::Pushing
            && self.record.removal.is_none();
        let Some(binding) = self.record.binding.clone().filter(|_| waits) else { return };
        let before = self.record.unregistrable.take();
        let attempts = before
            .filter(|before| before.target == binding.target)
            .map_or(1, |before| before.attempts.saturating_add(1));
        let pause = FIRST_PAUSE.saturating_mul(1 << attempts.min(6).saturating_sub(1));
        let soonest = later(self.now, pause.min(LONGEST_PAUSE));
        if attempts == 1 {
            self.note(format!("GitHub does not register it: {error}"));
        }
        self.record.unregistrable = Some(Unregistrable {
            target: binding.target,
            attempts,
            until: until.map_or(soonest, |until| until.max(soonest)),
            error: error.to_owned(),
        });
        if self.record.retry.is_some() {
            // An earlier try may have come through: only its guest knows.
            return self.hand_over_failed(&Fault { transient: true, message: error.to_owned() });
        }
        self.record.binding = None;
        self.record.handover = Handover::None;
        self.record.pushing_since = None;
    }

    pub(super) fn unregistered(&mut self) {
        if self.record.may_be_registered() {
            self.record.registration = Registration::Ended;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Deadlines, Event, Fault, GitHubPath, InstanceType, Keeper, Record, Spec, Target, step,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    /// A standby that is given to a pool.
    fn bound() -> Record {
        let spec = Spec::new("web", "debian", InstanceType::Container);
        let mut record = Record::planned("larm-0123456789ab".parse().unwrap(), spec, false, at(0));
        (record.keeper, record.phase) = (Keeper::Farm, Phase::Standby);
        record.marks.0.insert(Phase::Standby, at(0));
        let path: GitHubPath = "acme/web".parse().unwrap();
        let target = Target { connection: "github".to_owned(), path };
        let binding =
            Binding { pool: "web".to_owned(), target, labels: vec![], job: None, since: at(0) };
        meet(&record, &Event::Bound(binding))
    }

    fn meet(record: &Record, event: &Event) -> Record {
        step(record, event, &Deadlines::default(), at(1)).unwrap().record
    }

    #[test]
    fn a_repeated_hand_over_has_another_number() {
        let record = bound();
        assert_eq!(record.registration, Registration::Sought);
        let record = meet(&record, &Event::Registered(1));
        let fault = Fault { transient: true, message: "busy".to_owned() };
        let record = meet(&record, &Event::HandOverFailed(fault));
        let record = meet(&record, &Event::Registered(2));
        assert_eq!(record.registration, Registration::Known(2));
        let record = meet(&record, &Event::HandedOver(SignedDuration::ZERO));
        let record = meet(&record, &Event::Registered(1));
        assert_eq!(record.registration, Registration::Known(2), "an old answer");
    }

    /// What may have its credential is no standby any more: its guest is asked once it is too late.
    #[test]
    fn what_may_have_a_credential_does_not_go_back_to_the_standbys() {
        let fault = Fault { transient: true, message: "no answer".to_owned() };
        let refused = Event::NotRegistered { error: "503".to_owned(), until: Some(at(60)) };
        for before in [meet(&bound(), &Event::HandOverFailed(fault)), bound().taken_up()] {
            let record = meet(&before, &refused);
            assert_eq!(record.handover, Handover::Pushing);
            assert!(record.binding.is_some() && record.unregistrable.is_some());
            let late = at(1) + Deadlines::default().register;
            let record = step(&record, &Event::Due, &Deadlines::default(), late).unwrap().record;
            assert!(record.removal.is_some() && record.is_live(), "{record:?}");
        }
    }

    /// A standby that had waited for longer than a runner may take to listen was given up as soon as
    /// it was wanted.
    #[test]
    fn the_deadline_for_listening_counts_from_the_hand_over() {
        let mut record = bound();
        let day = 24 * 60 * 60;
        record.pushing_since = Some(at(day));
        let deadlines = Deadlines::default();
        let due = crate::model::next_due(&record, &deadlines);
        assert_eq!(due, at(day).checked_add(deadlines.register).ok());
    }

    #[test]
    fn what_github_refuses_goes_back_to_the_standbys() {
        let error = "no".to_owned();
        let refused = Event::NotRegistered { error, until: Some(at(90)) };
        let record = meet(&bound(), &refused);
        assert_eq!((record.phase, record.handover), (Phase::Standby, Handover::None));
        assert_eq!((record.binding.clone(), record.may_be_registered()), (None, true));
        let said = record.unregistrable.unwrap();
        assert_eq!((said.attempts, said.until), (1, at(90)));
    }
}
