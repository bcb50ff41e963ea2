//! Tapetum as a library: dark photograph in, bright photograph out.
//!
//! ```
//! use tapetum::{Enhancer, Model, Settings};
//! # fn main() -> Result<(), tapetum::Error> {
//! # let png = tapetum::example_png();
//! let enhancer = Enhancer::new(&Model::built_in("scl-lle")?)?;
//! let bright = enhancer.enhance_bytes(&png, &Settings::default())?;
//! println!("strength {:.2}", bright.report.strength);
//! # assert!(bright.report.mean_after >= bright.report.mean_before);
//! # Ok(())
//! # }
//! ```

mod accelerated;
pub mod bench;
pub mod data;
mod enhancer;
mod error;
pub mod evaluate;
mod model;
pub mod spectral_norm;
#[cfg(feature = "train")]
pub mod train;
mod variations;

pub use tapetum_image::{
    Channels, EncodeOptions, Format, ImageError, Limits, Metadata, Photo, Raster, Samples, decode,
    encode, losses,
};
pub use tapetum_methods::{
    all as methods,
    collaba::illumination_report::{IlluminationReport, LayerNorm, MapStatistics, Verdict},
    find as find_method,
};
pub use tapetum_nn::{
    EnhanceError, EnhanceOptions, EnhanceReport, MethodCard, Network, SizeRule, Strength, Tiling,
    TilingMode, Weights, WeightsError,
    device::{DeviceKind, FoundDevice, Unavailable, best as best_device, find as find_device},
    enhance::{Exposure, MEMORY_BYTES_DEFAULT, PrecisionMode, Quality},
    weights::{from_safetensors, to_safetensors},
};

pub use crate::{
    accelerated::WhenItFails,
    enhancer::{Enhanced, Enhancer, Settings, writable},
    error::Error,
    model::{Model, built_in_models},
    variations::{Draws, Variations},
};

/// A small dark picture for examples and self-tests, as PNG.
#[doc(hidden)]
pub fn example_png() -> Vec<u8> {
    let (width, height) = (48, 32);
    let level = |x: u32, y: u32, channel: u32| (4 + (x / 3 + y / 2 + 3 * channel) % 40) as u8;
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let samples = pixels.flat_map(|(x, y)| (0..3).map(move |channel| level(x, y, channel)));
    let raster = Raster::new(width, height, Channels::Rgb, Samples::U8(samples.collect()));
    let photo = Photo::from_raster(raster.expect("the count fits"), Format::Png);
    encode(&photo, Format::Png, &EncodeOptions::default()).expect("PNG holds 8-bit RGB")
}
