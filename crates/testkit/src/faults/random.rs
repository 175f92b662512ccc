//! Choices that a seed repeats.

/// A small generator (splitmix64); good enough to choose instants.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is above 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_choices() {
        let [mut one, mut two, mut other] = [7, 7, 8].map(Random::new);
        let [ones, twos, others] = [&mut one, &mut two, &mut other]
            .map(|random| (0..20).map(|_| random.below(1000)).collect::<Vec<_>>());
        assert_eq!(ones, twos);
        assert_ne!(ones, others);
    }
}
