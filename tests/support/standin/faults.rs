//! Faults to order: what goes wrong, how often, drawn from a seed so that a run can be repeated.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What goes wrong. Shares are in thousandths.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    /// How long each call is held before it is looked at; nothing when empty.
    pub latency: Range<Duration>,
    /// Calls that are answered 500 and not carried out.
    pub errors: u16,
    /// Calls that are carried out and answered 500 all the same.
    pub lost_answers: u16,
    /// Lifecycle events that are not told.
    pub dropped_lifecycle: u16,
    /// Operation events that are not told.
    pub dropped_operations: u16,
    /// Operations that never end; half of them have done their work.
    pub endless_operations: u16,
    /// Operations with these descriptions ("Starting instance") never end, and do nothing.
    pub endless: Vec<String>,
    /// Operations with these descriptions fail with this text.
    pub failing: Vec<(String, String)>,
}

/// What becomes of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out.
    Normal,
    /// It does its work and never ends.
    EndlessAfterWork,
    /// It never ends and does nothing.
    EndlessBeforeWork,
    /// It fails with this text.
    Fails(String),
}

/// The faults in force.
#[derive(Debug)]
pub struct Faults(Mutex<(FaultPlan, SplitMix64)>);

/// A small deterministic generator (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators").
#[derive(Debug)]
struct SplitMix64(u64);

impl Faults {
    /// No faults yet; what is drawn later is drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new((FaultPlan::default(), SplitMix64(seed))))
    }

    /// Puts a plan in force instead of the one before.
    pub fn set(&self, plan: FaultPlan) {
        self.lock().0 = plan;
    }

    /// Changes the plan in force.
    pub fn change(&self, change: impl FnOnce(&mut FaultPlan)) {
        change(&mut self.lock().0);
    }

    /// Lets nothing go wrong any more.
    pub fn clear(&self) {
        self.set(FaultPlan::default());
    }

    pub(super) fn latency(&self) -> Duration {
        let mut guard = self.lock();
        let (plan, random) = &mut *guard;
        let span = plan.latency.end.saturating_sub(plan.latency.start);
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        if micros == 0 {
            return Duration::ZERO;
        }
        plan.latency.start + Duration::from_micros(random.next() % micros)
    }

    pub(super) fn refuses(&self) -> bool {
        self.draw(|plan| plan.errors)
    }

    pub(super) fn loses_answer(&self) -> bool {
        self.draw(|plan| plan.lost_answers)
    }

    pub(super) fn drops_lifecycle(&self) -> bool {
        self.draw(|plan| plan.dropped_lifecycle)
    }

    pub(super) fn drops_operation(&self) -> bool {
        self.draw(|plan| plan.dropped_operations)
    }

    pub(super) fn coin(&self) -> bool {
        self.lock().1.next() & 1 == 1
    }

    pub(super) fn fate(&self, description: &str) -> Fate {
        let endless = self.draw(|plan| plan.endless_operations);
        let after_work = endless && self.coin();
        let guard = self.lock();
        let plan = &guard.0;
        if plan.endless.iter().any(|kind| kind == description) {
            return Fate::EndlessBeforeWork;
        }
        if let Some((_, text)) = plan.failing.iter().find(|(kind, _)| kind == description) {
            return Fate::Fails(text.clone());
        }
        match (endless, after_work) {
            (false, _) => Fate::Normal,
            (true, true) => Fate::EndlessAfterWork,
            (true, false) => Fate::EndlessBeforeWork,
        }
    }

    fn draw(&self, share: impl FnOnce(&FaultPlan) -> u16) -> bool {
        let mut guard = self.lock();
        let share = u64::from(share(&guard.0));
        share > 0 && guard.1.next() % 1000 < share
    }

    fn lock(&self) -> MutexGuard<'_, (FaultPlan, SplitMix64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
