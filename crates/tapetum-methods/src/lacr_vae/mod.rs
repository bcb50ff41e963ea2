//! LACR-VAE: brightening by way of a latent whose distribution is learned.
//!
//! X. Wu, Z. Lai, J. Zhou, X. Hou, W. Pedrycz, L. Shen, *Light-Aware Contrastive Learning for Low-Light Image
//! Enhancement*, ACM Transactions on Multimedia Computing, Communications and Applications 20 (9), article
//! 276, 2024, <https://github.com/csxuwu/LACR-VAE> (empty). A variational auto-encoder for pairs, whose latents
//! of enhanced images are pulled to those of well-lit images and pushed from those of dark ones.
//!
//! **A reconstruction.** Of the paper only the abstract and the authors' framework figure were to be had, and
//! there is no released code. The flow of data is the figure's; modules, losses and training come from the
//! first author's sister code, LRCR-Net, where it has them, and are ours elsewhere. No number of
//! this method is the paper's.
//!
//! | paper, and where it is from | here |
//! | --- | --- |
//! | data flow: four stages, three downsamplings, latent, decoder with three skips (the figure) | [`network::LacrVae`] |
//! | RCAM, the region-calibrated module (the abstract; LRCR-Net `RCRB`, the one module of that name) | `RegionAttention` |
//! | AMSM, attention-guided multi-scale features (the abstract; built by us) | `MultiScaleAttention` |
//! | reparameterisation of mean and variance (the figure; heads by us) | [`network::Posterior`] |
//! | decoder of depthwise layers (the figure; LRCR-Net) | `Decoder` |
//! | reconstruction, MS-SSIM, texture (LRCR-Net) | [`losses::squared`], [`losses::visual`], [`losses::texture`] |
//! | divergence from the prior ([Kingma 2014] App. B; weight by us) | [`losses::divergence`] |
//! | LACR, contrast between latents (the abstract; both forms by us) | [`losses::contrast_ratio`], [`losses::contrast_classification`] |
//! | training (LRCR-Net; budget by us) | [`training::Training`] |
//!
//! # Deviations
//! From LRCR-Net's code, as there is no other:
//! - MS-SSIM has a gradient; there it is taken as a number.
//! - The transformer's layers keep their small initial values; there all linear layers are drawn wide.
//! - The logarithm of the variance is kept between -10 and 10, and its head starts at a tenth.
//! - Gradients are shortened to a norm of 1.

pub mod helpers;
pub mod losses;
pub mod network;
pub mod training;
pub mod weights;

mod config;
mod decoder;
mod encoder;
mod layers;
mod multi_scale;
mod region;
mod terms;

use tapetum_nn::{MethodCard, SizeRule, Tiling};

/// The facts about LACR-VAE.
pub static CARD: MethodCard = MethodCard {
    name: "lacr-vae",
    title: "LACR-VAE",
    citation: "Wu et al., Light-Aware Contrastive Learning for Low-Light Image Enhancement, ACM TOMM 20 (9), \
               2024; a reconstruction, as there is no released code",
    purpose: "an auto-encoder that learned from pairs; gives variations of a photograph, and a map of where \
              they differ",
    n_parameters: 5_426_739,
    macs_per_pixel: Some(206_000),
    size_rule: SizeRule::Any,
    // Tiles judge their exposure each for itself: docs/decisions/0008.
    tiling: Tiling::WholeImageOnly,
    working_bytes_per_pixel: 1_000,
    default_weights: Some("lacr-vae"),
    weights_by_scale: &[],
};
