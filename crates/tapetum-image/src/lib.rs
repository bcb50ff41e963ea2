//! Photographs in and out: pixels, codecs, metadata and colour profiles.
//!
//! ```
//! use tapetum_image::{EncodeOptions, Format, Limits, decode, encode};
//! # fn brighten(bytes: &[u8]) -> Result<Vec<u8>, tapetum_image::ImageError> {
//! let photo = decode(bytes, &Limits::default())?;
//! // ... work on `photo.raster` ...
//! for loss in tapetum_image::losses(&photo, Format::Png) {
//!     eprintln!("warning: {loss}");
//! }
//! encode(&photo, Format::Png, &EncodeOptions::default())
//! # }
//! ```

mod codec;
mod color;
mod enlarge;
mod error;
mod image;
mod limits;
mod metadata;
mod orientation;
mod photo;
mod raster;
mod resize;

pub use crate::{
    codec::{EncodeOptions, Format, decode, encode, losses},
    color::ColorConversion,
    enlarge::enlarge,
    error::ImageError,
    image::{Image, Linear, Native, Rect, Srgb},
    limits::Limits,
    photo::{Metadata, Photo},
    raster::{Channels, Raster, Samples},
    resize::{Filter, resize, resize_with},
};
