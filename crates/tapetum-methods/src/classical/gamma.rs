//! Gamma correction: one power for every sample.
//!
//! C. Poynton, *Rehabilitation of Gamma*, SPIE 3299, 1998, doi 10.1117/12.320126. Papers on low light
//! compare with `I^(1/2.2)` on the encoded samples, whatever encoding they have already; so does this.

use rayon::prelude::*;
use tapetum_image::{Image, Srgb};
use tapetum_nn::{MethodCard, SizeRule, Tiling};

/// The facts about gamma correction.
pub static CARD: MethodCard = MethodCard {
    name: "gamma",
    title: "Gamma",
    citation: "Poynton, Rehabilitation of Gamma, SPIE 3299, 1998; exponent 1/2.2",
    purpose: "the simplest baseline: one curve for every photograph",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::Exact { receptive_field_px: 0 },
    // The tile before and after, as floats, and its finished rows.
    working_bytes_per_pixel: 60,
    default_weights: None,
    weights_by_scale: &[],
};

/// The customary exponent of the baseline.
const EXPONENT: f32 = 1.0 / 2.2;

/// `I^(1/2.2)` for samples of 0..1.
pub fn enhance(low: &Image<Srgb>) -> Image<Srgb> {
    let brighten = |value: &f32| value.clamp(0.0, 1.0).powf(EXPONENT);
    Image::new(low.width(), low.height(), low.pixels.par_iter().map(brighten).collect())
}
