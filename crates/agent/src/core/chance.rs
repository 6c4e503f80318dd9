//! Randomness as the core asks for it: fractions, so that each agent of a fleet picks its own moment.

use std::time::Duration;

/// A source of fractions. Drivers give a generator seeded by the kernel; tests give fixed values.
pub trait Chance {
    /// The next fraction: at least 0 and below 1.
    fn fraction(&mut self) -> f64;
}

/// A duration between `low` and `high`, evenly distributed.
pub fn between(chance: &mut dyn Chance, low: Duration, high: Duration) -> Duration {
    low + high
        .saturating_sub(low)
        .mul_f64(chance.fraction().clamp(0.0, 1.0))
}

/// A small generator (SplitMix64) for spreading moments; of no use for keys.
#[derive(Debug, Clone)]
pub struct Spread(u64);

impl Spread {
    /// A generator that begins at `seed`.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }
}

impl Chance for Spread {
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are kept, which a 64-bit float holds exactly"
    )]
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Always the same fraction: for tests that compute exact moments.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Always(pub(crate) f64);

#[cfg(test)]
impl Chance for Always {
    fn fraction(&mut self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_over_the_whole_range_and_never_leaves_it() {
        let mut spread = Spread::seeded(1);
        let (low, high) = (Duration::from_secs(10), Duration::from_secs(20));
        let mut buckets = [0_u32; 10];
        for _ in 0..10_000 {
            let picked = between(&mut spread, low, high);
            assert!(picked >= low && picked < high, "{picked:?}");
            let bucket = (picked - low).as_secs();
            buckets[usize::try_from(bucket).unwrap()] += 1;
        }
        assert!(
            buckets.iter().all(|&hits| (800..1200).contains(&hits)),
            "{buckets:?}"
        );
    }
}
