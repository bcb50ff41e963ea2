//! BMP and PNM, formats of bare pixels.

use std::{borrow::Cow, io::Cursor};

use image::{
    ColorType, ExtendedColorType, ImageDecoder,
    codecs::{
        bmp::{BmpDecoder, BmpEncoder},
        pnm::{PnmDecoder, PnmEncoder, PnmSubtype, SampleEncoding},
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
    let color = color_u8(pixels.n_channels);
    let mut bytes = Vec::new();
    let mut encoder = BmpEncoder::new(&mut bytes);
    encoder.encode(pixels.bytes(), pixels.width, pixels.height, color).map_err(wrong)?;
    Ok(bytes)
}

/// Writes PGM, PPM, or PAM where there is alpha.
pub(crate) fn encode_pnm(pixels: &Pixels<'_>) -> Result<Vec<u8>, ImageError> {
    let wrong = |error| ImageError::encode(Format::Pnm, error);
    let subtype = match pixels.n_channels {
        1 => PnmSubtype::Graymap(SampleEncoding::Binary),
        3 => PnmSubtype::Pixmap(SampleEncoding::Binary),
        _ => PnmSubtype::ArbitraryMap,
    };
    let (width, height) = (pixels.width, pixels.height);
    let mut bytes = Vec::new();
    let mut encoder = PnmEncoder::new(&mut bytes).with_subtype(subtype);
    let done = match (pixels.samples.as_ref(), pixels.n_channels) {
        (Samples::U16(values), n_channels) => {
            let color = match n_channels {
                1 => ExtendedColorType::L16,
                2 => ExtendedColorType::La16,
                3 => ExtendedColorType::Rgb16,
                _ => ExtendedColorType::Rgba16,
            };
            encoder.encode(values.as_slice(), width, height, color)
        }
        (_, n_channels) => encoder.encode(pixels.bytes(), width, height, color_u8(n_channels)),
    };
    done.map_err(wrong)?;
    Ok(bytes)
}

fn color_u8(n_channels: usize) -> ExtendedColorType {
    match n_channels {
        1 => ExtendedColorType::L8,
        2 => ExtendedColorType::La8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    }
}
