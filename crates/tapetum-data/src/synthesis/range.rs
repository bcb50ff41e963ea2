//! Ranges that the numbers of a synthesis are drawn from.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::synthesis::{
    Synthesis, check_exposure, check_gamma, check_iso, check_jpeg_quality, check_shrink,
    error::{SynthesisError, check},
};

/// Where the numbers of a [`Synthesis`] come from; each pair is the least and the greatest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynthesisRange {
    /// As in [`Synthesis`].
    pub shrink: u32,
    /// Drawn log-uniformly: as many stops as many times.
    pub exposure: [f32; 2],
    /// Drawn log-uniformly.
    pub gamma: [f32; 2],
    /// The greatest gain of red and of blue, 1 to 16; each is drawn log-uniformly from its inverse
    /// on, green stays.
    pub cast: f32,
    /// Drawn log-uniformly and rounded; `[0, 0]` for no noise.
    pub iso: [u32; 2],
    /// How many of the pictures go through JPEG, 0 to 1.
    pub jpeg_share: f32,
    /// Drawn uniformly.
    pub jpeg_quality: [u8; 2],
}

impl Default for SynthesisRange {
    /// Exposure, gamma and cast span most of what 149 pairs of LOL-v1 and 96 of SICE show: ratios of
    /// mean linear light of 0.005 to 0.33 (5 and 95 %), slopes in log light of 0.54 to 1.31, red and
    /// blue against green within 1.3 for three quarters. ISO and JPEG are what phones use at night.
    fn default() -> Self {
        Self {
            shrink: 1,
            exposure: [0.01, 0.3],
            gamma: [0.75, 1.25],
            cast: 1.25,
            iso: [100, 3200],
            jpeg_share: 0.5,
            jpeg_quality: [70, 98],
        }
    }
}

impl SynthesisRange {
    /// Whether every synthesis drawn from here is one.
    ///
    /// # Errors
    /// `OutOfRange` for the first number that is wrong.
    pub fn check(&self) -> Result<(), SynthesisError> {
        check_shrink(self.shrink)?;
        self.exposure.into_iter().try_for_each(check_exposure)?;
        check_order("exposure", self.exposure)?;
        self.gamma.into_iter().try_for_each(check_gamma)?;
        check_order("gamma", self.gamma)?;
        check((1.0..=16.0).contains(&self.cast), "cast", "1 to 16", self.cast)?;
        self.iso.into_iter().try_for_each(check_iso)?;
        check_order("iso", self.iso)?;
        let is_one_kind = (self.iso[0] == 0) == (self.iso[1] == 0);
        check(is_one_kind, "iso", "a least value above 0, or [0, 0]", self.iso[0])?;
        let is_share = (0.0..=1.0).contains(&self.jpeg_share);
        check(is_share, "jpeg_share", "0 to 1", self.jpeg_share)?;
        self.jpeg_quality.into_iter().try_for_each(check_jpeg_quality)?;
        check_order("jpeg_quality", self.jpeg_quality)
    }
}

/// One synthesis from the range. It takes the same count of random numbers whatever the range is, so
/// that a change of one field leaves what is drawn for the others.
///
/// # Errors
/// `OutOfRange` when the range is none.
pub fn draw(range: &SynthesisRange, random: &mut ChaCha8Rng) -> Result<Synthesis, SynthesisError> {
    range.check()?;
    let mut uniform = || random.random::<f64>();
    let exposure = log_uniform(range.exposure, uniform()) as f32;
    let gamma = log_uniform(range.gamma, uniform()) as f32;
    let mut gain = || log_uniform([1.0 / range.cast, range.cast], uniform()) as f32;
    let cast = [gain(), 1.0, gain()];
    let iso = log_uniform(range.iso.map(|iso| iso as f32), uniform()).round() as u32;
    let [lowest, highest] = range.jpeg_quality.map(f64::from);
    let quality = (lowest + uniform() * (highest - lowest + 1.0)).floor().min(highest) as u8;
    let jpeg_quality = (uniform() < f64::from(range.jpeg_share)).then_some(quality);
    Ok(Synthesis { shrink: range.shrink, exposure, gamma, cast, iso, jpeg_quality })
}

/// The value at `share` (0..1) of the way from the least to the greatest, counted in ratios.
fn log_uniform([least, greatest]: [f32; 2], share: f64) -> f64 {
    let [least, greatest] = [f64::from(least), f64::from(greatest)];
    if least == greatest {
        return least;
    }
    (least.ln() + share * (greatest.ln() - least.ln())).exp().clamp(least, greatest)
}

fn check_order<T: PartialOrd + std::fmt::Display>(
    name: &'static str,
    [least, greatest]: [T; 2],
) -> Result<(), SynthesisError> {
    let got = format!("{least} and {greatest}");
    check(least <= greatest, name, "the least first", got)
}
