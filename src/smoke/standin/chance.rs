//! Chance that comes out the same each time: faults are drawn from a seed.

use std::time::Duration;

/// A source of chance.
#[derive(Debug)]
pub(super) struct Chance(fastrand::Rng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// True so many times in a thousand. Draws nothing where that is never.
    pub(super) fn happens(&mut self, permille: u16) -> bool {
        permille > 0 && self.0.u16(0..1000) < permille
    }

    /// Any time up to `most`.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.0.f64())
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new(0)
    }
}
