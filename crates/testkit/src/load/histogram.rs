//! Latencies in fixed memory: exact below 64 µs, within 1.6 % above.

/// Powers of two are cut into this many equal parts.
const PARTS: u64 = 64;
const PARTS_BITS: u32 = PARTS.trailing_zeros();
const BUCKETS: usize = (PARTS as usize) * (64 - PARTS_BITS as usize + 1);

/// Counts by size.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }

    pub(super) fn add(&mut self, value: u64) {
        self.buckets[bucket(value)] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The value that `share` (0 to 1) of all are not above; 0 if there is none.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.count as f64) * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    if value < PARTS {
        return value as usize;
    }
    let shift = value.ilog2() - PARTS_BITS;
    ((u64::from(shift) + 1) * PARTS + ((value >> shift) - PARTS)) as usize
}

fn upper(bucket: usize) -> u64 {
    let (row, part) = (bucket as u64 / PARTS, bucket as u64 % PARTS);
    if row == 0 { part } else { ((PARTS + part + 1) << (row - 1)).wrapping_sub(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_close() {
        let mut histogram = Histogram::new();
        (1..=100_000).for_each(|value| histogram.add(value));
        for (share, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
            let found = histogram.quantile(share) as f64;
            assert!((found - exact).abs() / exact < 0.016, "{share}: {found} for {exact}");
        }
        assert_eq!(histogram.max(), 100_000);
    }

    #[test]
    fn every_value_has_a_bucket_that_holds_it() {
        for value in [0, 1, 63, 64, 65, 127, 128, 1 << 20, u64::MAX - 1, u64::MAX] {
            assert!(upper(bucket(value)) >= value, "{value}");
        }
        assert_eq!(Histogram::new().quantile(0.5), 0);
    }
}
