//! What a list of times says, and whether it says anything.

/// The middle half of the runs may span this share of the median; beyond it, what was measured is the
/// other load on the machine.
const SPREAD_MAX: f64 = 0.25;

/// Times of the runs of one work, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Half of the runs took at most this.
    pub median: f64,
    /// A quarter of the runs took at most this.
    pub p25: f64,
    /// Three quarters of the runs took at most this.
    pub p75: f64,
    /// 95 % of the runs took at most this.
    pub p95: f64,
    /// The fastest run.
    pub minimum: f64,
}

impl Statistics {
    /// Of at least one time; between two times, quantiles are interpolated.
    ///
    /// # Panics
    /// Without a time.
    pub fn of(milliseconds: &[f64]) -> Self {
        assert!(!milliseconds.is_empty(), "a time to summarise");
        let mut sorted = milliseconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            median: quantile(&sorted, 0.5),
            p25: quantile(&sorted, 0.25),
            p75: quantile(&sorted, 0.75),
            p95: quantile(&sorted, 0.95),
            minimum: sorted[0],
        }
    }

    /// The span of the middle half of the runs, as a share of the median.
    pub fn spread(&self) -> f64 {
        (self.p75 - self.p25) / self.median
    }

    /// Whether the spread is small enough for the median to mean something.
    pub fn is_steady(&self) -> bool {
        self.spread() <= SPREAD_MAX
    }
}

/// The value below which `share` of the sorted values lie.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor();
    let [low, high] = [below, position.ceil()].map(|position| sorted[position as usize]);
    low + (position - below) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(milliseconds: &[f64], [median, p25, p75, p95, minimum]: [f64; 5]) {
        let found = Statistics::of(milliseconds);
        let expected = Statistics { median, p25, p75, p95, minimum };
        let pairs = [
            (found.median, expected.median),
            (found.p25, expected.p25),
            (found.p75, expected.p75),
            (found.p95, expected.p95),
            (found.minimum, expected.minimum),
        ];
        for (value, expected) in pairs {
            assert!((value - expected).abs() < 1e-12, "{milliseconds:?}: {value} {expected}");
        }
    }

    #[test]
    fn quantiles_do_not_depend_on_the_order_and_are_interpolated() {
        check(&[7.0], [7.0, 7.0, 7.0, 7.0, 7.0]);
        check(&[4.0, 2.0], [3.0, 2.5, 3.5, 3.9, 2.0]);
        check(&[5.0, 1.0, 4.0, 2.0, 3.0], [3.0, 2.0, 4.0, 4.8, 1.0]);
        let hundred_and_one: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        check(&hundred_and_one, [50.0, 25.0, 75.0, 95.0, 0.0]);
    }

    #[test]
    fn a_wide_middle_is_unsteady_and_a_single_outlier_is_not() {
        for (milliseconds, spread, is_steady) in [
            (&[10.0, 10.0, 10.0, 10.0][..], 0.0, true),
            (&[10.0, 10.0, 10.0, 10.0, 90.0], 0.0, true),
            (&[8.0, 9.0, 10.0, 11.5, 13.0], 0.25, true),
            (&[8.0, 9.0, 10.0, 12.0, 13.0], 0.3, false),
            (&[10.0, 30.0], 0.5, false),
        ] {
            let statistics = Statistics::of(milliseconds);
            assert!((statistics.spread() - spread).abs() < 1e-12, "{milliseconds:?}");
            assert_eq!(statistics.is_steady(), is_steady, "{milliseconds:?}");
        }
    }
}
