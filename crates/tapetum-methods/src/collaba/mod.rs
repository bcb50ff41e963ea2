//! CollaBA: brightening and enlarging at once, in a game with discriminators that reaches the generator.
//!
//! J. Gao, Y. Yue, Z. Liu, L. Ma, R. Liu, X. Fan, *Collaborative brightening and amplification of low-light imagery via
//! bi-level adversarial learning*, Pattern Recognition 154, article 110558, 2024,
//! <https://doi.org/10.1016/j.patcog.2024.110558>; code <https://github.com/moriyaya/CollaBA>. A U-Net predicts how much
//! light every pixel lacks; that map modulates a multi-scale network, whose up-scaler gives the larger image.
//!
//! | paper | here |
//! | --- | --- |
//! | generator (authors' `netv2ueatten_arch.py`) | [`network::CollaBa`] |
//! | GMP, generative modulation prior: the illumination map | `SpectralUNet` |
//! | CD-CFT, channel-decoupling conditional feature transform | `Modulation` |
//! | MSFI, multi-scale feature interaction; SKFF | `MultiScale`, `Fusion` |
//! | multi-substrate merging up-scaler (a reconstruction), and the code's | [`Upscaler`] |
//! | discriminators, global and patch | [`discriminators::Discriminators`] |
//! | pixels and features against the sharpened reference | [`losses::absolute`], [`losses::sharpened`] |
//! | illumination prior, smoothness of the map | [`losses::illumination_prior`], [`losses::smoothness`] |
//! | adversarial terms | [`losses::judged`] |
//! | learned weights of the terms, ϱ | [`losses::weighed`] |
//! | BIA, bi-level implicit adversarial learning: κ and the implicit gradient | [`game::play`], [`game::kappa`] |
//! | training in two stages | [`training::Training`] |
//!
//! # Deviations
//! - The implicit term reaches the generator. The released code cuts the made image off, so that its term teaches nothing
//!   ([`training::Implicit::Detached`]).
//! - The moving average takes over the singular vectors of the spectral norm. The released one keeps random ones, and its
//!   map is 0 or 1 everywhere.
//! - The map's target is at most 1 ([`losses::missing_light`]), and the normal-light image at the size of the dark one is
//!   the mean of the reference over squares.
//! - The singular vectors follow the weights once a step, not once a pass, so that both gradients of κ see one
//!   discriminator.
//! - Any size of image: it is continued to multiples of 8 (16 without enlarging); the released code pads too little.
//! - Beside the paper's network there is a compact one of the same structure ([`Size::Compact`]).
//! - Without VGG-19, the perceptual term takes VGG-16's blocks ([`helpers::Helpers`]).

mod cards;
mod config;
pub mod discriminators;
mod fusion;
pub mod game;
pub mod helpers;
pub mod illumination_report;
mod layers;
pub mod losses;
mod modulation;
mod multi_scale;
pub mod network;
mod shuffle;
pub mod training;
mod unet;
mod upscaler;
pub mod weights;

pub use config::{NetworkConfig, Scale, Size, Upscaler};

use tapetum_nn::{MethodCard, SizeRule, Tiling};

/// The facts about CollaBA, with the numbers of its default: compact, twice as large.
pub static CARD: MethodCard = CARD_FACTS;

const CARD_FACTS: MethodCard = MethodCard {
    name: "collaba",
    title: "CollaBA",
    citation: "Gao et al., Collaborative brightening and amplification of low-light imagery via bi-level \
               adversarial learning, Pattern Recognition 154, 2024",
    purpose: "brightens and enlarges at once, two or four times; for small dark photographs",
    n_parameters: 1_273_425,
    macs_per_pixel: Some(170_000),
    size_rule: SizeRule::Any,
    tiling: Tiling::Approximate { overlap_px: 64, step_px: 16 },
    working_bytes_per_pixel: 1_050,
    default_weights: Some("collaba-s-x2"),
    weights_by_scale: &[(2, "collaba-s-x2"), (4, "collaba-s-x4")],
};
