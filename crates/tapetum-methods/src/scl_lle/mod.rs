//! SCL-LLE: semantically contrastive learning for low-light image enhancement.
//!
//! D. Liang, L. Li, M. Wei, S. Yang, L. Zhang, W. Yang, Y. Du, H. Zhou, *Semantically Contrastive
//! Learning for Low-Light Image Enhancement*, AAAI 2022, arXiv 2112.06451. A small network estimates
//! curves that brighten a photograph; it learns without pairs, by contrast against well-lit and
//! badly lit photographs. Its network is that of Zero-DCE (Guo et al., CVPR 2020).
//!
//! | paper or authors' code | here |
//! | --- | --- |
//! | curve network, `lowlight_model.py` | [`network::CurveNetwork`] |
//! | the same, fused for the CPU | [`fused::FusedCurveNetwork`] |
//! | the same from a reduced copy, approximate | [`fast::FastCurve`] |
//! | curve in eight steps, `lowlight_model.py` | [`tapetum_nn::ops::apply_curves`] |
//! | smooth curves `L_tv`, `Myloss.py` | [`losses::curve_smoothness`] |
//! | grey world `L_col`, `Myloss.py` | [`losses::color_constancy`] |
//! | brightness contrast `L_cb`, `Myloss.py` | [`losses::brightness_contrast`] |
//! | style contrast `L_cs`, `Myloss.py` | [`losses::style_contrast`] |
//! | feature preservation `L_per`, `Myloss.py` | [`losses::feature_preservation`] |
//! | semantic brightness consistency `L_sbc` | [`losses::class_brightness`] |
//! | the same as `Myloss.py` has it | [`losses::class_brightness_released`] |
//! | cross entropy of a frozen segmenter `L_ce`, `train.py` | [`losses::segmentation`] |
//! | VGG-16 and the segmenter | [`helpers::Helpers`] |
//! | step, `train.py` | [`training::Training`] |
//! | names of the released checkpoint | [`weights`] |
//!
//! # Deviations
//! - `L_sbc` takes the mean over each class of each image and lets its gradient flow. The authors'
//!   routine mixes the images of a batch by broadcasting and averages over all pixels instead of
//!   the class's, which mostly darkens.
//! - The gradient of `L_ce` flows through the segmenter to the network. In the authors' code it is cut
//!   twice, so that the term teaches nothing.
//! - The segmenter stays as its checkpoint says. The authors' normalises by the statistics of each batch of
//!   two and lets them drift into its running ones.
//! - `L_cs` is divided by half of the batch's size, which changes nothing for the authors' two images.
//! - `L_ce` is 0 for a batch without a valid label, where the authors' is not a number.
//! - The colour term's square root is guarded at zero, where its gradient is undefined.
//!
//! [`training::TrainingConfig::released`] has `L_sbc` and the cut of `L_ce` as in the authors' code.

pub mod fast;
pub mod fused;
pub mod helpers;
pub mod losses;
pub mod network;
pub mod training;
pub mod weights;

mod config;
mod terms;

use tapetum_nn::{MethodCard, SizeRule, Tiling};

/// The facts about SCL-LLE.
pub static CARD: MethodCard = MethodCard {
    name: "scl-lle",
    title: "SCL-LLE",
    citation: "Liang et al., Semantically Contrastive Learning for Low-Light Image Enhancement, AAAI 2022",
    purpose: "a small, fast curve network learned without pairs; keeps textures as they are",
    n_parameters: 79_416,
    macs_per_pixel: Some(79_200),
    size_rule: SizeRule::Any,
    // Seven 3x3 convolutions in a row.
    tiling: Tiling::Exact { receptive_field_px: 7 },
    // Images of the tile before, after and in between, as floats; the fused network adds next to nothing.
    working_bytes_per_pixel: 200,
    default_weights: Some("scl-lle"),
    weights_by_scale: &[],
};
