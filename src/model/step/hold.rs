//! Instances that are held for inspection once their runners have ended.

use jiff::SignedDuration;

use super::draft::{Draft, later};
use super::{Phase, Refused};
use crate::model::{Hold, LONGEST_HOLD};

impl Draft<'_> {
    /// Counted from now on where its end has come, else from its end.
    pub(super) fn hold_wanted(&mut self, length: SignedDuration) -> Result<(), Refused> {
        if self.record.phase == Phase::Gone {
            return Err(Refused::Gone);
        }
        let length = length.clamp(SignedDuration::ZERO, LONGEST_HOLD);
        let hold = if self.record.collected {
            Hold::Until(later(self.now, length))
        } else {
            Hold::For(length)
        };
        if self.record.hold.replace(hold) != Some(hold) {
            self.tell_hold(hold);
        }
        Ok(())
    }

    /// All that could be collected has been: the time of a hold begins.
    pub(super) fn begin_hold(&mut self) {
        let failed = self.deadlines.keep_failed.filter(|_| self.record.ended_badly());
        let hold = match (self.record.hold, failed) {
            (Some(Hold::For(length)), _) => Hold::Until(later(self.now, length)),
            (None, Some(length)) => Hold::Failed(later(self.now, length)),
            (Some(Hold::Until(_) | Hold::Failed(_) | Hold::Off), _) | (None, None) => return,
        };
        self.record.hold = Some(hold);
        self.tell_hold(hold);
    }

    pub(super) fn released(&mut self) {
        if self.record.phase == Phase::Gone {
            return;
        }
        if matches!(
            self.record.hold.replace(Hold::Off),
            Some(Hold::For(_) | Hold::Until(_) | Hold::Failed(_))
        ) {
            self.note("its instance is not held any more".to_owned());
        }
    }

    /// Lets go of an instance whose time is over.
    pub(super) fn end_hold(&mut self) {
        if self.record.held_until().is_some_and(|until| until <= self.now) {
            self.released();
        }
    }

    fn tell_hold(&mut self, hold: Hold) {
        match hold {
            Hold::For(length) => {
                self.note(format!("its instance is held for {length:#} once it has ended"));
            }
            Hold::Until(until) | Hold::Failed(until) => {
                self.note(format!("its instance is held until {until:.0}"));
            }
            Hold::Off => {}
        }
    }
}
