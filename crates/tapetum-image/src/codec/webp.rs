//! WebP: lossy and lossless reading, lossless writing.

use std::{borrow::Cow, io::Cursor};

use image_webp::{ColorType, WebPDecoder, WebPEncoder};

use crate::{
    codec::{EXIF_PREFIX, Format, Found, Pixels},
    error::ImageError,
    limits::Limits,
    photo::Metadata,
    raster::Samples,
};

const SIDE_PX_MAX: u32 = 16_383;

/// Reads the picture, of an animation the first frame.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let bad = |error| ImageError::bad(Format::WebP, error);
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(bad)?;
    decoder.set_memory_limit(limits.working_bytes());
    let (width, height) = decoder.dimensions();
    let n_channels = if decoder.has_alpha() { 4 } else { 3 };
    limits.check_header(Format::WebP, (width, height), n_channels as u64)?;
    let mut warnings = Vec::new();
    if decoder.is_animated() {
        warnings.push("the file is an animation, only its first frame is kept".to_owned());
    }
    let mut samples = vec![0; width as usize * height as usize * n_channels];
    decoder.read_image(&mut samples).map_err(bad)?;
    let metadata = read_metadata(&mut decoder, &mut warnings);
    let samples = Cow::Owned(Samples::U8(samples));
    Ok(Found { pixels: Pixels { width, height, n_channels, samples }, metadata, warnings })
}

fn read_metadata(decoder: &mut WebPDecoder<Cursor<&[u8]>>, warnings: &mut Vec<String>) -> Metadata {
    let mut block = |block: Result<Option<Vec<u8>>, _>, name| {
        block.unwrap_or_else(|error: image_webp::DecodingError| {
            warnings.push(format!("{name} cannot be read and is dropped: {error}"));
            None
        })
    };
    let exif = block(decoder.exif_metadata(), "EXIF");
    Metadata {
        // Some writers keep the prefix that only JPEG needs.
        exif: exif.map(|exif| exif.strip_prefix(EXIF_PREFIX).map(<[u8]>::to_vec).unwrap_or(exif)),
        xmp: block(decoder.xmp_metadata(), "XMP"),
        iptc: None,
        icc: block(decoder.icc_profile(), "the ICC profile"),
    }
}

/// Writes lossless WebP.
pub(crate) fn encode(pixels: &Pixels<'_>, metadata: &Metadata) -> Result<Vec<u8>, ImageError> {
    let (width, height) = (pixels.width, pixels.height);
    if width.max(height) > SIDE_PX_MAX {
        return Err(ImageError::CannotHold {
            format: Format::WebP,
            what: format!("{width}x{height} pixels, a side is at most {SIDE_PX_MAX}"),
            hint: "choose PNG or TIFF",
        });
    }
    let color = match pixels.n_channels {
        1 => ColorType::L8,
        2 => ColorType::La8,
        3 => ColorType::Rgb8,
        _ => ColorType::Rgba8,
    };
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new(&mut bytes);
    if let Some(exif) = &metadata.exif {
        encoder.set_exif_metadata(exif.clone());
    }
    if let Some(xmp) = &metadata.xmp {
        encoder.set_xmp_metadata(xmp.clone());
    }
    if let Some(icc) = &metadata.icc {
        encoder.set_icc_profile(icc.clone());
    }
    let wrong = |error| ImageError::encode(Format::WebP, error);
    encoder.encode(pixels.bytes(), width, height, color).map_err(wrong)?;
    Ok(bytes)
}
