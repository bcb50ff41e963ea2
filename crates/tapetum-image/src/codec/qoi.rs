//! QOI: 8-bit RGB and RGBA without metadata.

use std::borrow::Cow;

use qoi::{ColorSpace, Encoder, decode_header, decode_to_vec};

use crate::{
    codec::{Format, Found, Pixels, plain::with_colour_beside_alpha},
    error::ImageError,
    limits::Limits,
    photo::Metadata,
    raster::Samples,
};

/// Reads RGB or RGBA.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let bad = |error| ImageError::bad(Format::Qoi, error);
    let (width, height) = declared_size(bytes)?;
    limits.check_header(Format::Qoi, (width, height), 4)?;
    let header = decode_header(bytes).map_err(bad)?;
    let n_channels = usize::from(header.channels.as_u8());
    let mut warnings = Vec::new();
    if header.colorspace == ColorSpace::Linear {
        warnings.push("the file says its values are linear, they are treated as sRGB".to_owned());
    }
    let (_, samples) = decode_to_vec(bytes).map_err(bad)?;
    let samples = Cow::Owned(Samples::U8(samples));
    let pixels = Pixels { width, height, n_channels, samples };
    Ok(Found { pixels, metadata: Metadata::default(), warnings })
}

/// Before the codec's own limit speaks, which names no number of ours.
fn declared_size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let side = |at: usize| {
        let bytes = bytes.get(at..at + 4)?.first_chunk().copied()?;
        Some(u32::from_be_bytes(bytes))
    };
    let size = side(4).zip(side(8));
    size.ok_or_else(|| ImageError::bad(Format::Qoi, "the header is cut short"))
}

/// Writes RGB or RGBA; grey is repeated.
pub(crate) fn encode(pixels: &Pixels<'_>) -> Result<Vec<u8>, ImageError> {
    let wrong = |error| ImageError::encode(Format::Qoi, error);
    let (samples, n_channels) = with_colour_beside_alpha(pixels);
    let samples = match n_channels {
        1 => Cow::Owned(samples.iter().flat_map(|&grey| [grey; 3]).collect()),
        _ => samples,
    };
    let encoder = Encoder::new(samples.as_ref(), pixels.width, pixels.height).map_err(wrong)?;
    encoder.encode_to_vec().map_err(wrong)
}
