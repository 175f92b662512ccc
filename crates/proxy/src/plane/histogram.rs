//! A small log-linear histogram of times, written by one thread and read by any.

use std::sync::atomic::{AtomicU64, Ordering};

/// Values below this have a bucket each.
const LINEAR: u64 = 16;
/// Buckets for each power of two above.
const STEPS: usize = 8;
/// Powers of two covered; more is counted in the last bucket.
const POWERS: usize = 32;
const BUCKETS: usize = LINEAR as usize + STEPS * POWERS;

/// Counts by time in microseconds, at most 12.5 % off.
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Histogram { buckets, max: AtomicU64::new(0) }
    }

    /// Adds one value.  Only the owning thread may call it.
    pub(crate) fn record(&self, value_us: u64) {
        add_one(&self.buckets[bucket(value_us)]);
        if value_us > self.max.load(Ordering::Relaxed) {
            self.max.store(value_us, Ordering::Relaxed);
        }
    }

    /// Adds what is here to `sum`.
    pub(crate) fn add_to(&self, sum: &mut HistogramSum) {
        for (into, from) in sum.buckets.iter_mut().zip(&self.buckets) {
            *into += from.load(Ordering::Relaxed);
        }
        sum.max = sum.max.max(self.max.load(Ordering::Relaxed));
    }
}

/// Adds one to a counter that only this thread writes: no locked instruction is needed.
pub(crate) fn add_one(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// The sum over threads.
#[derive(Clone)]
pub(crate) struct HistogramSum {
    buckets: [u64; BUCKETS],
    /// The longest, in microseconds.
    pub(crate) max: u64,
}

impl HistogramSum {
    pub(crate) fn new() -> Self {
        HistogramSum { buckets: [0; BUCKETS], max: 0 }
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Takes away what was there before, of the same histograms.
    pub(crate) fn subtract(&mut self, earlier: &HistogramSum) {
        for (from, before) in self.buckets.iter_mut().zip(&earlier.buckets) {
            *from = from.saturating_sub(*before);
        }
    }

    /// Adds another sum.
    pub(crate) fn add(&mut self, other: &HistogramSum) {
        for (into, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *into += from;
        }
        self.max = self.max.max(other.max);
    }

    /// The buckets that hold something: their highest value, and how many.
    pub(crate) fn entries(&self) -> Vec<(u64, u64)> {
        let filled = self.buckets.iter().enumerate().filter(|it| *it.1 > 0);
        filled.map(|(index, count)| (highest_in(index), *count)).collect()
    }

    /// The value that `share` of all are at most; 0 where there are none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let total = self.count();
        let rank = (total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                return highest_in(index).min(self.max);
            }
        }
        0
    }
}

fn bucket(value: u64) -> usize {
    if value < LINEAR {
        return value as usize;
    }
    let power = value.ilog2() as usize - LINEAR.ilog2() as usize;
    let step = (value >> (value.ilog2() - STEPS.ilog2())) as usize & (STEPS - 1);
    (LINEAR as usize + power * STEPS + step).min(BUCKETS - 1)
}

fn highest_in(index: usize) -> u64 {
    let Some(above) = index.checked_sub(LINEAR as usize) else { return index as u64 };
    let power = (above / STEPS) as u32 + LINEAR.ilog2();
    let step = (above % STEPS) as u64;
    (1 << power) + ((step + 1) << (power - STEPS.ilog2())) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_its_bucket() {
        for value in (0..200_000).chain([u64::from(u32::MAX), 1 << 35]) {
            let index = bucket(value);
            assert!(highest_in(index) >= value, "{value}");
            assert!(index == 0 || highest_in(index - 1) < value, "{value}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_near() {
        let histogram = Histogram::new();
        (1..=1000).for_each(|value| histogram.record(value));
        let mut sum = HistogramSum::new();
        histogram.add_to(&mut sum);
        assert!((500..=563).contains(&sum.quantile(0.5)), "{}", sum.quantile(0.5));
        assert_eq!(sum.quantile(1.0), 1000);
        assert_eq!(HistogramSum::new().quantile(0.5), 0);
    }

    #[test]
    fn what_came_since_is_the_rest() {
        let histogram = Histogram::new();
        (1..=10).for_each(|value| histogram.record(value));
        let mut before = HistogramSum::new();
        histogram.add_to(&mut before);
        [3, 3, 12].iter().for_each(|value| histogram.record(*value));
        let mut since = HistogramSum::new();
        histogram.add_to(&mut since);
        since.subtract(&before);
        assert_eq!(since.entries(), [(3, 2), (12, 1)]);
        since.add(&before);
        assert_eq!(since.count(), 13);
    }
}
