//! Alpha between the pixels, as codecs want it, and beside them, as photographs keep it.

use std::borrow::Cow;

use crate::{
    codec::{Format, Pixels},
    error::ImageError,
    photo::Photo,
    raster::{Channels, Raster, Samples},
};

/// Separates alpha from colour.
pub(crate) fn split(pixels: Pixels<'_>) -> Result<(Raster, Option<Samples>), ImageError> {
    let Pixels { width, height, n_channels, samples } = pixels;
    let samples = samples.into_owned();
    let channels = if n_channels < 3 { Channels::Grey } else { Channels::Rgb };
    let (colour, alpha) = match (n_channels, samples) {
        (1 | 3, samples) => (samples, None),
        (_, Samples::U8(values)) => {
            let (colour, alpha) = split_values(values, n_channels);
            (Samples::U8(colour), Some(Samples::U8(alpha)))
        }
        (_, Samples::U16(values)) => {
            let (colour, alpha) = split_values(values, n_channels);
            (Samples::U16(colour), Some(Samples::U16(alpha)))
        }
        (_, Samples::F32(values)) => {
            let (colour, alpha) = split_values(values, n_channels);
            (Samples::F32(colour), Some(Samples::F32(alpha)))
        }
    };
    Ok((Raster::new(width, height, channels, colour)?, alpha))
}

/// Moves colour to the front of its own buffer, so that only alpha is allocated.
fn split_values<T: Copy>(mut values: Vec<T>, n_channels: usize) -> (Vec<T>, Vec<T>) {
    let n_colours = n_channels - 1;
    let n_pixels = values.len() / n_channels;
    let alpha = values.chunks_exact(n_channels).map(|pixel| pixel[n_colours]).collect();
    for pixel_idx in 0..n_pixels {
        let start = pixel_idx * n_channels;
        values.copy_within(start..start + n_colours, pixel_idx * n_colours);
    }
    values.truncate(n_pixels * n_colours);
    values.shrink_to_fit();
    (values, alpha)
}

/// The samples as deep as `format` can hold, alpha between them where the format has a place.
///
/// # Panics
/// When alpha does not have one sample a pixel.
pub(crate) fn join(photo: &Photo, format: Format) -> Pixels<'_> {
    let raster = &photo.raster;
    let depth = raster.depth_bits().min(format.depth_bits_max());
    let colour = at_depth(raster.samples(), depth);
    let n_colours = raster.channels().n_samples();
    let (n_channels, samples) = match &photo.alpha {
        Some(alpha) if format.has_alpha() => {
            assert_eq!(alpha.len() as u64, raster.n_pixels(), "alpha samples and pixels");
            let alpha = at_depth(alpha, depth);
            (n_colours + 1, Cow::Owned(join_samples(&colour, &alpha, n_colours)))
        }
        _ => (n_colours, colour),
    };
    Pixels { width: raster.width(), height: raster.height(), n_channels, samples }
}

fn at_depth(samples: &Samples, depth_bits: u8) -> Cow<'_, Samples> {
    if samples.depth_bits() == depth_bits {
        Cow::Borrowed(samples)
    } else {
        Cow::Owned(samples.to_depth(depth_bits))
    }
}

fn join_samples(colour: &Samples, alpha: &Samples, n_colours: usize) -> Samples {
    match (colour, alpha) {
        (Samples::U8(colour), Samples::U8(alpha)) => {
            Samples::U8(join_values(colour, alpha, n_colours))
        }
        (Samples::U16(colour), Samples::U16(alpha)) => {
            Samples::U16(join_values(colour, alpha, n_colours))
        }
        (Samples::F32(colour), Samples::F32(alpha)) => {
            Samples::F32(join_values(colour, alpha, n_colours))
        }
        _ => unreachable!("both were brought to one depth"),
    }
}

fn join_values<T: Copy>(colour: &[T], alpha: &[T], n_colours: usize) -> Vec<T> {
    let mut joined = Vec::with_capacity(colour.len() + alpha.len());
    for (pixel, &alpha) in colour.chunks_exact(n_colours).zip(alpha) {
        joined.extend_from_slice(pixel);
        joined.push(alpha);
    }
    joined
}
