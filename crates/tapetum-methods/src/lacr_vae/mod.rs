//! LACR-VAE: brightening by way of a latent whose distribution is learned.
//!
//! X. Wu, Z. Lai, J. Zhou, X. Hou, W. Pedrycz, L. Shen, *Light-Aware Contrastive Learning for Low-Light Image
//! Enhancement*, ACM Transactions on Multimedia Computing, Communications and Applications 20 (9), article
//! 276, 2024. A variational auto-encoder for pairs, whose latents of enhanced images are pulled to those of
//! well-lit images and pushed from those of dark ones.
//!
//! **A reconstruction.** Of the paper only the abstract and the authors' framework figure were to be had, and
//! there is no released code. The flow of data is the figure's; modules, losses and training come from the
//! first author's sister code, LRCR-Net, where it has them ([LRCR] below), and are ours elsewhere. No number of
//! this method is the paper's.
//!
//! | paper | here | from |
//! | --- | --- | --- |
//! | data flow: four stages, three downsamplings, latent, decoder with three skips | [`network::LacrVae`] | the figure |
//! | RCAM, region-calibrated attention | `RegionAttention` | [LRCR] `RCRB`, the one module of that name |
//! | AMSM, attention-guided multi-scale | `MultiScaleAttention` | ours |
//! | latent with mean and variance | [`network::Posterior`] | the figure; heads ours |
//! | decoder of depthwise layers | `Decoder` | the figure; [LRCR] |
//! | reconstruction, MS-SSIM, texture | [`losses::squared`], [`losses::visual`], [`losses::texture`] | [LRCR] |
//! | divergence from the prior | [`losses::divergence`] | [Kingma 2014]; weight ours |
//! | LACR, contrast between latents | [`losses::contrast_ratio`], [`losses::contrast_classification`] | the abstract; forms ours |
//! | training | [`training::Training`] | [LRCR]; budget ours |
//!
//! # Deviations from LRCR-Net's code
//! - MS-SSIM has a gradient; there it is taken as a number.
//! - The transformer's layers keep their small initial values; there all linear layers are drawn wide.

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
};
