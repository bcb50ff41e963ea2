//! Scores that compare images, in f64.

mod color_difference;
mod error;
mod picture;
mod psnr;

pub use crate::{
    color_difference::{Lab, ciede2000, mean_ciede2000},
    error::MetricError,
    picture::{Picture, Plane},
    psnr::psnr_rgb,
};
