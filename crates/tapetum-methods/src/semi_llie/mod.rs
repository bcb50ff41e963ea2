//! Semi-LLIE: learning from many dark photographs and few pairs.
//!
//! G. Li, K. Zhang, T. Wang, M. Li, B. Zhao, X. Li, *Semi-LLIE: Semi-supervised Contrastive Learning with
//! Mamba-based Low-light Image Enhancement*, 2024, arXiv 2409.16604. A network of state-space models learns
//! from pairs, and from dark photographs without a reference by following an average of itself (the *mean
//! teacher*), with a network that names what is in a photograph as the judge of what an image says.
//!
//! | paper or authors' code | here |
//! | --- | --- |
//! | the network, `model_multiscale_mamba_lowlight.py` | [`network::MambaLowlight`] |
//! | its later guided variant, `…_guidied.py` | [`network::Variant::Guided`] |
//! | selective scan in four directions, `SS2D` | `StateSpace` |
//! | multi-scale state-space block, `VSSBlock` | `Block` |
//! | structure `L_str`, `loss/losses.py` | [`losses::structure`] |
//! | perceptual pyramid `L_per`, `loss/ram_perceputal.py` | [`losses::perceptual`] |
//! | gradient map, `GetGradientNopadding`, and `L_grad` | [`losses::gradient_map`], [`losses::gradient`] |
//! | consistency `L_cons`, `trainer_with_grad_ramperceputal.py` | [`losses::consistency`] |
//! | semantic contrast `L_cr`, `loss/ram_contrast.py` | [`losses::semantic_contrast`] |
//! | the encoder, Recognize Anything or a smaller one | [`crate::tagging`] |
//! | step, teacher and ramp, `trainer_with_grad_ramperceputal.py` | [`training::Training`] |
//! | names of the checkpoints | [`weights`] |
//!
//! # Deviations
//! - The gradients of `L_per` and `L_cr` flow through the encoder to the student's image. In the authors' code
//!   both are computed without gradients, so that they teach nothing
//!   ([`training::TrainingConfig::released`]).
//! - The encoder sees images as it was trained to see them; the authors' leaves out the normalisation.
//! - `L_cr` is the mean of the ratios of the images; the authors' is the ratio of means over the batch.
//! - The teacher is never in training mode; the authors' drops branches during the first epoch.
//! - Photographs are shuffled and cut anew every time; the authors' loaders do neither.
//! - The weight of what has no reference rises with every step, not with every epoch.
//! - The result is clamped to 0..1 and rounded; the authors' script resizes to multiples of 16 and truncates.

pub mod helpers;
pub mod losses;
pub mod network;
pub mod training;
pub mod weights;

mod block;
mod config;
mod layers;
mod state_space;
mod terms;

use tapetum_nn::{MethodCard, SizeRule, Tiling};

/// The facts about Semi-LLIE.
pub static CARD: MethodCard = MethodCard {
    name: "semi-llie",
    title: "Semi-LLIE",
    citation: "Li et al., Semi-LLIE: Semi-supervised Contrastive Learning with Mamba-based Low-light Image \
               Enhancement, arXiv 2409.16604, 2024",
    purpose: "a network of state-space models that learned from pairs and from dark photographs alone; \
              brightness as in well-lit photographs, pale colours, slow",
    n_parameters: 610_530,
    macs_per_pixel: Some(665_600),
    size_rule: SizeRule::Any,
    // Scans forget: what lies further away than this hardly matters.
    tiling: Tiling::Approximate { overlap_px: 32, step_px: 1 },
    working_bytes_per_pixel: 4_000,
    default_weights: Some("semi-llie"),
    weights_by_scale: &[],
};
