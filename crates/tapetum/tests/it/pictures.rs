//! Generated photographs, and one network for all tests.

use std::sync::LazyLock;

use tapetum::{
    Channels, EncodeOptions, EnhanceOptions, Enhanced, Enhancer, Format, Limits, Model, Photo,
    Raster, Samples, Settings, Strength, decode, encode,
};
use tapetum_image::ColorConversion;
use tapetum_metrics::{Picture, mean_ciede2000};

/// The formats that hold everything.
pub(crate) const FORMATS: [Format; 4] = [Format::Jpeg, Format::Png, Format::Tiff, Format::WebP];

static ENHANCER: LazyLock<Enhancer> =
    LazyLock::new(|| Enhancer::new(&Model::built_in("scl-lle").unwrap()).unwrap());

pub(crate) fn enhance(bytes: &[u8], strength: Strength) -> Enhanced {
    enhance_with(bytes, EnhanceOptions { strength, ..EnhanceOptions::default() }).unwrap()
}

pub(crate) fn enhance_with(
    bytes: &[u8],
    enhance: EnhanceOptions,
) -> Result<Enhanced, tapetum::Error> {
    ENHANCER.enhance_bytes(bytes, &Settings { enhance, ..Settings::default() })
}

/// A raster of the values, 0..1, that `value` gives for column, row and channel.
pub(crate) fn raster(
    (width, height): (u32, u32),
    channels: Channels,
    depth_bits: u8,
    value: impl Fn(u32, u32, u32) -> f32,
) -> Raster {
    let n_channels = channels.n_samples() as u32;
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let values = pixels.flat_map(|(x, y)| (0..n_channels).map(move |channel| (x, y, channel)));
    let values = values.map(|(x, y, channel)| value(x, y, channel));
    let samples = Samples::F32(values.collect()).to_depth(depth_bits);
    Raster::new(width, height, channels, samples).unwrap()
}

/// Smooth shapes without symmetry, with some texture, 0..1.
pub(crate) fn scene(x: u32, y: u32, channel: u32) -> f32 {
    let (across, down) = (x as f32 / 23.0, y as f32 / 31.0);
    let shapes = (across + channel as f32).sin() + (down * 1.7 + across * 0.3).cos();
    let texture = (x * 7 + y * 13 + channel * 5) % 11;
    0.5 + 0.2 * shapes + 0.01 * (texture as f32 - 5.0)
}

/// [`scene`] as a dark photograph takes it.
pub(crate) fn dark_scene(x: u32, y: u32, channel: u32) -> f32 {
    0.02 + 0.12 * scene(x, y, channel)
}

/// [`scene`] in good light.
pub(crate) fn light_scene(x: u32, y: u32, channel: u32) -> f32 {
    0.25 + 0.5 * scene(x, y, channel)
}

pub(crate) fn photo(raster: Raster) -> Photo {
    Photo::from_raster(raster, Format::Png)
}

pub(crate) fn write(photo: &Photo, format: Format) -> Vec<u8> {
    encode(photo, format, &EncodeOptions::default()).unwrap()
}

pub(crate) fn read(bytes: &[u8]) -> Photo {
    decode(bytes, &Limits::default()).unwrap()
}

/// The pixels in sRGB, interleaved, 0..1.
pub(crate) fn srgb(photo: &Photo) -> Vec<f32> {
    let (conversion, warning) = ColorConversion::for_photo(photo).unwrap();
    assert_eq!(warning, None);
    conversion.to_srgb(&photo.raster.read_rgb(photo.raster.rect())).pixels
}

/// Mean CIEDE2000 of two photographs of one size.
pub(crate) fn color_change(first: &Photo, second: &Photo) -> f64 {
    let picture = |photo: &Photo| {
        let (width, height) = (photo.raster.width() as usize, photo.raster.height() as usize);
        Picture::from_rgb(width, height, &srgb(photo))
    };
    mean_ciede2000(&picture(first), &picture(second)).unwrap()
}

pub(crate) fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
}

/// The largest difference of two photographs of one size, in levels of 8 bits.
pub(crate) fn peak_levels(first: &Photo, second: &Photo) -> f32 {
    let size = |photo: &Photo| (photo.raster.width(), photo.raster.height());
    assert_eq!(size(first), size(second));
    let pixels = |photo: &Photo| photo.raster.read_rgb(photo.raster.rect()).pixels;
    let pairs = pixels(first).into_iter().zip(pixels(second));
    pairs.map(|(a, b)| (a - b).abs() * 255.0).fold(0.0, f32::max)
}
