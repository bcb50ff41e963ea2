//! The photograph as it is: what every method is to be better than.

use tapetum_image::{Image, Srgb};
use tapetum_nn::{MethodCard, SizeRule, Tiling};

/// The facts about doing nothing.
pub static CARD: MethodCard = MethodCard {
    name: "none",
    title: "None",
    citation: "No paper: the photograph as it is",
    purpose: "the floor of a comparison: nothing is changed",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::Exact { receptive_field_px: 0 },
    // The tile before and after, as floats, and its finished rows.
    working_bytes_per_pixel: 60,
    default_weights: None,
    weights_by_scale: &[],
};

/// The image itself.
pub fn enhance(low: &Image<Srgb>) -> Image<Srgb> {
    low.clone()
}
