//! Noise of a small sensor: photons counted one by one, and an amplifier that adds its own.
//!
//! A pixel that reaches white has collected `electrons_at_white`. It collects a Poisson number of
//! electrons around its share of them, and reading them adds normal noise. For light `x` of 0..1:
//!
//! `mean = x`, `variance = x / electrons_at_white + (read_noise / electrons_at_white)^2`
//!
//! The pixel is one of about 1.4 um, as phones and compact cameras have: 6000 electrons fill it at
//! ISO 100, each doubling of the ISO halves what white means, and read noise has a part before the
//! amplifier (1.5 electrons) and one behind it (3.3 electrons at ISO 100) that amplification makes small:
//!
//! | ISO | electrons at white | levels of 255 an electron | read noise, electrons |
//! | ---: | ---: | ---: | ---: |
//! | 100 | 6000 | 0.04 | 3.62 |
//! | 200 | 3000 | 0.09 | 2.23 |
//! | 400 | 1500 | 0.17 | 1.71 |
//! | 800 | 750 | 0.34 | 1.56 |
//! | 1600 | 375 | 0.68 | 1.51 |
//! | 3200 | 187.5 | 1.36 | 1.50 |
//! | 6400 | 93.75 | 2.72 | 1.50 |

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Poisson};

/// Beyond this, white is one or two electrons.
pub(crate) const ISO_MAX: u32 = 409_600;

const ISO_BASE: f64 = 100.0;
const FULL_WELL_ELECTRONS: f64 = 6000.0;
const READ_NOISE_BEFORE_GAIN: f64 = 1.5;
const READ_NOISE_BEHIND_GAIN: f64 = 3.3;

/// A sensor at one setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sensor {
    electrons_at_white: f64,
    read_noise: Normal<f64>,
}

impl Sensor {
    /// `None` for ISO 0: a sensor without noise.
    pub(crate) fn at_iso(iso: u32) -> Option<Self> {
        let amplification = f64::from(iso) / ISO_BASE;
        let electrons_at_white = FULL_WELL_ELECTRONS / amplification;
        let read_noise = Normal::new(0.0, read_noise_electrons(amplification));
        (iso > 0).then(|| Self {
            electrons_at_white,
            read_noise: read_noise.expect("a finite deviation above 0"),
        })
    }

    /// What the sensor makes of light, 0 being black and 1 white; not clipped.
    pub(crate) fn read_out(&self, light: f32, random: &mut ChaCha8Rng) -> f32 {
        let expected = f64::from(light) * self.electrons_at_white;
        // Too dark, or not even a number, for a Poisson distribution: no photon comes.
        let photons = Poisson::new(expected).map_or(0.0, |counts| counts.sample(random));
        let electrons: f64 = photons + self.read_noise.sample(random);
        (electrons / self.electrons_at_white) as f32
    }
}

fn read_noise_electrons(amplification: f64) -> f64 {
    READ_NOISE_BEFORE_GAIN.hypot(READ_NOISE_BEHIND_GAIN / amplification)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const N_READINGS: usize = 100_000;

    /// Mean and variance of many readings of one light.
    fn statistics(iso: u32, light: f32) -> (f64, f64) {
        let sensor = Sensor::at_iso(iso).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut read = || f64::from(sensor.read_out(light, &mut random));
        let readings: Vec<f64> = (0..N_READINGS).map(|_| read()).collect();
        let mean = readings.iter().sum::<f64>() / N_READINGS as f64;
        let squares = readings.iter().map(|value| (value - mean).powi(2));
        (mean, squares.sum::<f64>() / (N_READINGS - 1) as f64)
    }

    #[test]
    fn mean_and_variance_follow_the_table() {
        // ISO, electrons at white, read noise: rows of the table above, to its digits.
        let table = [
            (100, 6000.0, 3.62),
            (200, 3000.0, 2.23),
            (400, 1500.0, 1.71),
            (800, 750.0, 1.56),
            (1600, 375.0, 1.51),
            (3200, 187.5, 1.50),
            (6400, 93.75, 1.50),
        ];
        for (iso, electrons_at_white, read_noise) in table {
            for light in [0.0, 0.01, 0.1, 0.5, 1.0] {
                let (mean, variance) = statistics(iso, light);
                let light = f64::from(light);
                let expected =
                    light / electrons_at_white + f64::powi(read_noise / electrons_at_white, 2);
                let case = format!("ISO {iso}, light {light}: mean {mean}, variance {variance}");
                // Five standard errors of the mean; those of the variance are about half a percent,
                // and the table's digits leave one more.
                let error = (expected / N_READINGS as f64).sqrt();
                assert!((mean - light).abs() < 5.0 * error, "{case}");
                assert!((variance / expected - 1.0).abs() < 0.035, "{case}, not {expected}");
            }
        }
    }

    #[test]
    fn no_iso_no_noise_and_no_light_no_photons() {
        assert!(Sensor::at_iso(0).is_none());
        let sensor = Sensor::at_iso(100).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for light in [0.0, -1.0, f32::NAN, f32::MIN_POSITIVE] {
            assert!(sensor.read_out(light, &mut random).abs() < 0.01, "{light}");
        }
    }
}
