//! BMP and PNM, formats of bare pixels.

use std::{borrow::Cow, io::Cursor};

use image::{
    ColorType, ExtendedColorType, ImageDecoder,
    codecs::{
        bmp::{BmpDecoder, BmpEncoder},
        pnm::PnmDecoder,
    },
};

use crate::{
    codec::{Format, Found, Pixels},
    error::ImageError,
    limits::Limits,
    photo::Metadata,
    raster::Samples,
};

/// Reads a Windows bitmap.
pub(crate) fn decode_bmp(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let decoder = BmpDecoder::new(Cursor::new(bytes));
    decode(decoder.map_err(|error| ImageError::bad(Format::Bmp, error))?, Format::Bmp, limits)
}

/// Reads any portable anymap.
pub(crate) fn decode_pnm(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let decoder = PnmDecoder::new(Cursor::new(bytes));
    decode(decoder.map_err(|error| ImageError::bad(Format::Pnm, error))?, Format::Pnm, limits)
}

fn decode(
    mut decoder: impl ImageDecoder,
    format: Format,
    limits: &Limits,
) -> Result<Found, ImageError> {
    let bad = |error| ImageError::bad(format, error);
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    limits.check_header(format, (width, height), color.bytes_per_pixel().into())?;
    let icc = decoder.icc_profile().unwrap_or_default();
    let mut bytes = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut bytes).map_err(bad)?;
    let samples = match color {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Samples::U8(bytes),
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            let pairs = bytes.chunks_exact(2);
            Samples::U16(pairs.map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect())
        }
        other => return Err(ImageError::bad(format, format!("unexpected samples: {other:?}"))),
    };
    let n_channels = usize::from(color.channel_count());
    let pixels = Pixels { width, height, n_channels, samples: Cow::Owned(samples) };
    Ok(Found { pixels, metadata: Metadata { icc, ..Metadata::default() }, warnings: Vec::new() })
}

/// Writes 8 bits a sample.
pub(crate) fn encode_bmp(pixels: &Pixels<'_>) -> Result<Vec<u8>, ImageError> {
    let wrong = |error| ImageError::encode(Format::Bmp, error);
    let (samples, n_channels) = with_colour_beside_alpha(pixels);
    let mut bytes = Vec::new();
    let mut encoder = BmpEncoder::new(&mut bytes);
    encoder.encode(&samples, pixels.width, pixels.height, color_u8(n_channels)).map_err(wrong)?;
    Ok(bytes)
}

/// Grey with alpha as RGBA, for formats that know no other alpha.
pub(crate) fn with_colour_beside_alpha<'a>(pixels: &'a Pixels<'_>) -> (Cow<'a, [u8]>, usize) {
    let samples = pixels.bytes();
    if pixels.n_channels != 2 {
        return (Cow::Borrowed(samples), pixels.n_channels);
    }
    (Cow::Owned(samples.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect()), 4)
}

/// Writes binary PGM, PPM, or PAM where there is alpha.
pub(crate) fn encode_pnm(pixels: &Pixels<'_>) -> Vec<u8> {
    let (width, height, n_channels) = (pixels.width, pixels.height, pixels.n_channels);
    let maxval = if pixels.samples.depth_bits() == 8 { 255 } else { 65_535 };
    let header = match n_channels {
        1 => format!("P5\n{width} {height}\n{maxval}\n"),
        3 => format!("P6\n{width} {height}\n{maxval}\n"),
        _ => {
            let kind = if n_channels == 2 { "GRAYSCALE_ALPHA" } else { "RGB_ALPHA" };
            format!(
                "P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {n_channels}\nMAXVAL {maxval}\n\
                 TUPLTYPE {kind}\nENDHDR\n"
            )
        }
    };
    let mut bytes = header.into_bytes();
    match pixels.samples.as_ref() {
        Samples::U16(values) => bytes.extend(values.iter().flat_map(|value| value.to_be_bytes())),
        _ => bytes.extend_from_slice(pixels.bytes()),
    }
    bytes
}

fn color_u8(n_channels: usize) -> ExtendedColorType {
    match n_channels {
        1 => ExtendedColorType::L8,
        2 => ExtendedColorType::La8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    }
}
