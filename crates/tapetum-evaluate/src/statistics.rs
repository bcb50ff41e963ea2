//! How sure a mean is: bootstrap intervals, and a permutation test for the difference of two.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::report::Summary;

/// Resamplings for an interval, and random sign flips for a test.
pub(crate) const N_RESAMPLES: usize = 10_000;
/// What an infinite PSNR counts as in a mean, in dB.
pub(crate) const INFINITE_COUNTS_AS: f64 = 100.0;
/// Random numbers held at once; beyond it there are fewer resamplings.
const N_DRAWS_MAX: usize = 20_000_000;
/// Images up to which every sign flip is tried.
const N_EXHAUSTIVE: usize = 13;
const SEED: u64 = 1;

/// Resamplings of one set's images, the same for all columns and contestants, so that differences are
/// paired.
pub(crate) struct Resamples {
    n_images: usize,
    /// How often each image was drawn, resampling by resampling.
    counts: Vec<f32>,
    /// 1 or -1 for each image, flip by flip; the first flips nothing.
    signs: Vec<f32>,
}

impl Resamples {
    /// For a set of `n_images`.
    pub(crate) fn new(n_images: usize) -> Self {
        let n_resamples = N_RESAMPLES.min(N_DRAWS_MAX / n_images.max(1)).max(1);
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut counts = vec![0.0; n_resamples * n_images];
        for resample in counts.chunks_exact_mut(n_images.max(1)) {
            for _ in 0..n_images {
                resample[random.random_range(0..n_images)] += 1.0;
            }
        }
        Self { n_images, counts, signs: signs(n_images, n_resamples, &mut random) }
    }

    /// How often each image was drawn, one slice a resampling.
    pub(crate) fn counts(&self) -> impl Iterator<Item = &[f32]> {
        self.counts.chunks_exact(self.n_images.max(1))
    }

    /// Which images change sides, one slice a flip; in the first, none does.
    pub(crate) fn signs(&self) -> impl Iterator<Item = &[f32]> {
        self.signs.chunks_exact(self.n_images.max(1))
    }

    /// Mean and interval of the scores there are; `None` where there is none.
    pub(crate) fn summary(&self, scores: &[Option<f64>]) -> Option<Summary> {
        let n_infinite = scores.iter().flatten().filter(|score| score.is_infinite()).count();
        let capped: Vec<Option<f64>> = scores.iter().map(|score| score.map(capped)).collect();
        let mean = mean(&capped)?;
        let interval = Some(self.interval_of_mean(&capped));
        let n_images = capped.iter().flatten().count();
        Some(Summary { mean, interval, n_images, n_infinite })
    }

    /// Mean of first minus second with its interval, p of the sign-flip permutation test, and over how
    /// many images; `None` where no image has both.
    pub(crate) fn difference(
        &self,
        first: &[Option<f64>],
        second: &[Option<f64>],
    ) -> Option<(f64, [f64; 2], f64, usize)> {
        let both = first.iter().zip(second);
        let differences: Vec<Option<f64>> =
            both.map(|(a, b)| Some(capped((*a)?) - capped((*b)?))).collect();
        let mean = mean(&differences)?;
        let flipped = self.signs().map(|signs| weighted_sum(signs, &differences).0);
        let n_images = differences.iter().flatten().count();
        Some((mean, self.interval_of_mean(&differences), p_value(flipped), n_images))
    }

    fn interval_of_mean(&self, scores: &[Option<f64>]) -> [f64; 2] {
        let means = self.counts().filter_map(|counts| {
            let (sum, n_drawn) = weighted_sum(counts, scores);
            (n_drawn > 0.0).then(|| sum / n_drawn)
        });
        interval(means.collect())
    }
}

/// 2.5 % and 97.5 % of the values, NaN without any.
pub(crate) fn interval(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let idx = (share * values.len().saturating_sub(1) as f64).round() as usize;
        values.get(idx).copied().unwrap_or(f64::NAN)
    };
    [at(0.025), at(0.975)]
}

/// How often a flip gives as large a value as the first, which flips nothing.
pub(crate) fn p_value(mut flipped: impl Iterator<Item = f64>) -> f64 {
    let Some(found) = flipped.next() else { return 1.0 };
    // Sums in another order may differ in the last digits.
    let threshold = found.abs() * (1.0 - 1e-9);
    let (n_flips, n_as_large) = flipped.fold((1u32, 1u32), |(n_flips, n_as_large), value| {
        (n_flips + 1, n_as_large + u32::from(value.abs() >= threshold))
    });
    f64::from(n_as_large) / f64::from(n_flips)
}

fn signs(n_images: usize, n_resamples: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let sign = |is_flipped: bool| if is_flipped { -1.0 } else { 1.0 };
    if n_images <= N_EXHAUSTIVE {
        let flips = 0..1u32 << n_images;
        return flips
            .flat_map(|flip| (0..n_images).map(move |idx| sign(flip >> idx & 1 == 1)))
            .collect();
    }
    (0..n_resamples * n_images).map(|idx| sign(idx >= n_images && random.random())).collect()
}

/// Sum of weight times score over the scores there are, and the sum of their weights.
fn weighted_sum(weights: &[f32], scores: &[Option<f64>]) -> (f64, f64) {
    weights.iter().zip(scores).fold((0.0, 0.0), |(sum, total), (&weight, score)| match score {
        Some(score) => (sum + f64::from(weight) * score, total + f64::from(weight)),
        None => (sum, total),
    })
}

fn mean(scores: &[Option<f64>]) -> Option<f64> {
    let n_scores = scores.iter().flatten().count();
    (n_scores > 0).then(|| scores.iter().flatten().sum::<f64>() / n_scores as f64)
}

fn capped(score: f64) -> f64 {
    if score.is_infinite() { INFINITE_COUNTS_AS.copysign(score) } else { score }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn the_interval_is_that_of_the_normal_distribution_where_it_applies() {
        let scores: Vec<f64> = (0..400).map(|idx| f64::from(idx % 20)).collect();
        let summary = Resamples::new(400).summary(&some(&scores)).unwrap();
        let [lower, upper] = summary.interval.unwrap();
        // Standard deviation 5.766, divided by the root of 400, times 1.96: 0.565.
        assert!((summary.mean - 9.5).abs() < 1e-12);
        assert!((upper - summary.mean - 0.565).abs() < 0.03, "{summary:?}");
        assert!((summary.mean - lower - 0.565).abs() < 0.03, "{summary:?}");
    }

    #[test]
    fn infinite_scores_count_as_the_cap_and_missing_ones_do_not_count() {
        let scores = [Some(f64::INFINITY), None, Some(20.0)];
        let summary = Resamples::new(3).summary(&scores).unwrap();
        assert_eq!((summary.mean, summary.n_images, summary.n_infinite), (60.0, 2, 1));
        assert_eq!(summary.interval, Some([20.0, 100.0]));
        assert_eq!(Resamples::new(2).summary(&[None, None]), None);
        assert_eq!(Resamples::new(0).summary(&[]), None);
    }

    #[test]
    fn few_images_are_tested_exhaustively() {
        let resamples = Resamples::new(4);
        let (mean, interval, p, n) = resamples
            .difference(&some(&[2.0, 3.0, 4.0, 5.0]), &some(&[1.0, 1.0, 1.0, 1.0]))
            .unwrap();
        // Only all and none of 16 flips give as large a sum.
        assert_eq!((mean, p, n), (2.5, 2.0 / 16.0, 4));
        assert!(interval[0] > 0.9 && interval[1] < 4.1);
        let same = resamples.difference(&some(&[1.0; 4]), &some(&[1.0; 4])).unwrap();
        assert_eq!((same.0, same.2), (0.0, 1.0));
    }

    #[test]
    fn many_images_are_tested_by_random_flips() {
        let first: Vec<f64> = (0..60).map(|idx| f64::from(idx * 7 % 13)).collect();
        let better: Vec<f64> = first.iter().map(|score| score + 1.0 + score % 3.0).collect();
        let shuffled: Vec<f64> = (0..60).map(|idx| f64::from((idx + 3) * 7 % 13)).collect();
        let resamples = Resamples::new(60);
        let p = |other: &[f64]| resamples.difference(&some(other), &some(&first)).unwrap().2;
        assert!(p(&better) < 0.001 && p(&shuffled) > 0.3, "{} {}", p(&better), p(&shuffled));
        let again = Resamples::new(60).difference(&some(&shuffled), &some(&first)).unwrap();
        assert_eq!(again, resamples.difference(&some(&shuffled), &some(&first)).unwrap());
    }
}
