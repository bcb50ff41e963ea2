//! Dark photographs made from well-lit ones, along the way that light takes through a small camera.
//!
//! 1. sRGB to linear light; optionally a smaller picture, as a sensor with fewer pixels sees it.
//! 2. `exposure * light ^ gamma`, then a gain for each channel: the colour of the lamp.
//! 3. Photon and read noise of a sensor at an ISO setting (see `sensor.rs`), still in linear light.
//! 4. Clipping at black and white, sRGB, 256 levels, and JPEG with its blocks and thinned-out colour.
//!
//! Left out: the noise of neighbours is independent (no demosaicing, no denoiser in the camera), and
//! there is no blur, no fixed pattern and no row noise.

mod error;
mod range;
mod sensor;
mod stream;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_image::{
    Channels, EncodeOptions, Format, Image, ImageError, Limits, Linear, Photo, Raster, Samples,
    Srgb, decode, encode, resize,
};

pub use crate::synthesis::{
    error::SynthesisError,
    range::{SynthesisRange, draw},
    stream::random_stream,
};
use crate::synthesis::{
    error::check,
    sensor::{ISO_MAX, Sensor},
};

/// The largest factor on linear light, up to where an over-exposed picture is wanted.
const GAIN_MAX: f32 = 16.0;

/// How one dark photograph comes from a well-lit one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synthesis {
    /// How many times smaller the dark photograph is on each side: 1, 2 or 4.
    pub shrink: u32,
    /// Factor on linear light, above 0 up to 16; below 1 is darker.
    pub exposure: f32,
    /// Exponent on linear light, 0.1 to 10; above 1 darkens shadows more than lights.
    pub gamma: f32,
    /// Factors on linear red, green and blue, 0 to 16.
    pub cast: [f32; 3],
    /// ISO setting of the sensor, up to 409,600; 0 is a sensor without noise.
    pub iso: u32,
    /// JPEG quality, 1 to 100, colour at half resolution below 90; `None` for no JPEG.
    pub jpeg_quality: Option<u8>,
}

impl Synthesis {
    /// Whether every number lies in its range.
    ///
    /// # Errors
    /// `OutOfRange` for the first that does not.
    pub fn check(&self) -> Result<(), SynthesisError> {
        check_shrink(self.shrink)?;
        check_exposure(self.exposure)?;
        check_gamma(self.gamma)?;
        for gain in self.cast {
            check((0.0..=GAIN_MAX).contains(&gain), "cast", "0 to 16", gain)?;
        }
        check_iso(self.iso)?;
        self.jpeg_quality.map_or(Ok(()), check_jpeg_quality)
    }
}

/// The dark photograph of a well-lit one, `shrink` times smaller on each side, in 256 levels.
///
/// # Errors
/// A number is out of its range, `shrink` does not divide the sides, or a side is too long for JPEG.
pub fn apply(
    synthesis: &Synthesis,
    reference: &Image<Srgb>,
    random: &mut ChaCha8Rng,
) -> Result<Image<Srgb>, SynthesisError> {
    synthesis.check()?;
    let mut light = shrunk_light(reference, synthesis.shrink)?;
    dim(&mut light, synthesis);
    if let Some(sensor) = Sensor::at_iso(synthesis.iso) {
        light.pixels.iter_mut().for_each(|value| *value = sensor.read_out(*value, random));
    }
    light.pixels.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
    let mut raster = in_256_levels(&light.to_srgb())?;
    if let Some(quality) = synthesis.jpeg_quality {
        raster = through_jpeg(raster, quality)?;
    }
    let pixels = raster.read_rgb(raster.rect()).pixels;
    Ok(Image::new(raster.width(), raster.height(), pixels))
}

/// The well-lit photograph at the size of the dark one: light averaged over `factor` x `factor` pixels
/// by an antialiased filter.
///
/// # Errors
/// The factor is not 1, 2 or 4, or does not divide the sides.
pub fn shrunk(reference: &Image<Srgb>, factor: u32) -> Result<Image<Srgb>, SynthesisError> {
    check_shrink(factor)?;
    shrunk_light(reference, factor).map(|light| light.to_srgb())
}

fn shrunk_light(reference: &Image<Srgb>, factor: u32) -> Result<Image<Linear>, SynthesisError> {
    let (width, height) = (reference.width(), reference.height());
    let is_whole = width.is_multiple_of(factor) && height.is_multiple_of(factor);
    if width == 0 || height == 0 || !is_whole {
        return Err(SynthesisError::Size { factor, width, height });
    }
    let light = reference.to_linear();
    Ok(if factor == 1 { light } else { resize(&light, width / factor, height / factor) })
}

/// Less light, of another contrast and colour.
fn dim(light: &mut Image<Linear>, synthesis: &Synthesis) {
    let gains = synthesis.cast.map(|gain| gain * synthesis.exposure);
    let (pixels, _) = light.pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        for (value, gain) in pixel.iter_mut().zip(gains) {
            // Powers and photon counts know no negative light; a power of 1 changes no bit.
            *value = gain * value.clamp(0.0, 1.0).powf(synthesis.gamma);
        }
    }
}

fn in_256_levels(image: &Image<Srgb>) -> Result<Raster, ImageError> {
    let (width, height) = (image.width(), image.height());
    let samples = Samples::F32(image.pixels.clone()).to_depth(8);
    Raster::new(width, height, Channels::Rgb, samples)
}

fn through_jpeg(raster: Raster, quality: u8) -> Result<Raster, ImageError> {
    let photo = Photo::from_raster(raster, Format::Jpeg);
    let bytes = encode(&photo, Format::Jpeg, &EncodeOptions { quality })?;
    decode(&bytes, &Limits::default()).map(|photo| photo.raster)
}

fn check_shrink(shrink: u32) -> Result<(), SynthesisError> {
    check([1, 2, 4].contains(&shrink), "shrink", "1, 2 or 4", shrink)
}

fn check_exposure(exposure: f32) -> Result<(), SynthesisError> {
    let is_right = exposure > 0.0 && exposure <= GAIN_MAX;
    check(is_right, "exposure", "above 0, up to 16", exposure)
}

fn check_gamma(gamma: f32) -> Result<(), SynthesisError> {
    check((0.1..=10.0).contains(&gamma), "gamma", "0.1 to 10", gamma)
}

fn check_iso(iso: u32) -> Result<(), SynthesisError> {
    check(iso <= ISO_MAX, "iso", "0 to 409600", iso)
}

fn check_jpeg_quality(quality: u8) -> Result<(), SynthesisError> {
    check((1..=100).contains(&quality), "jpeg_quality", "1 to 100", quality)
}
