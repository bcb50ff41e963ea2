//! Scores that compare images, in f64.
//!
//! [`metrics`] lists them all. A metric of two pictures takes the enhanced one first, except where its
//! name puts the dark one first. It refuses values that are not finite or beyond a million, so that no
//! score is ever NaN.

mod brisque;
mod catalogue;
mod color_difference;
mod error;
mod filter;
mod flicker;
mod fourier;
mod fsim;
mod harm;
#[cfg(feature = "learned")]
pub mod learned;
mod lightness_order;
mod metric;
mod ms_ssim;
mod mscn;
mod natural_scene;
mod niqe;
mod niqe_model;
mod noise;
mod npy;
mod phase_congruency;
mod picture;
mod pixel_errors;
mod psnr;
mod scorable;
mod segmentation;
mod ssim;
mod statistics;
mod support_vectors;
mod uqi;
mod vif;

pub use crate::{
    brisque::{BrisqueModel, BrisqueRanges, brisque, brisque_features},
    catalogue::{SET_METRICS, find, load, metrics},
    color_difference::{Lab, ciede2000, delta_e76, mean_ciede2000, mean_delta_e76},
    error::MetricError,
    flicker::{Flicker, flicker, flicker_beyond, unexplained_change},
    fsim::{fsim, fsim_color},
    harm::{hue_shift_degrees, newly_clipped},
    lightness_order::{LoeVariant, loe},
    metric::{Better, Metric, MetricCard, MetricFile, Needs, Views},
    ms_ssim::ms_ssim,
    niqe::{fit_niqe, niqe},
    niqe_model::{NiqeModel, Provenance},
    noise::{noise_gain, noise_immerkaer, noise_wavelet},
    picture::{Picture, Plane},
    pixel_errors::{mae_255, mse, rmse_255},
    psnr::{psnr_channel_mean, psnr_rgb, psnr_y},
    segmentation::{CITYSCAPES_IGNORED, ConfusionMatrix, cityscapes_class},
    ssim::{SsimVariant, ssim},
    statistics::{
        average_gradient, clipped_high, clipped_low, colourfulness, eme, entropy, luma_statistics,
    },
    uqi::uqi,
    vif::vif,
};
