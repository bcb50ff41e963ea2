//! JPEG: strict decoding of baseline and progressive files, metadata in application segments.

mod segments;

use std::borrow::Cow;

use jpeg_encoder::{ColorType, Encoder};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use crate::{
    codec::{EXIF_PREFIX, EncodeOptions, Format, Found, Pixels, cmyk, jpeg::segments::Segments},
    error::ImageError,
    limits::Limits,
    photo::Metadata,
    raster::Samples,
};

/// The largest payload of one application segment.
const SEGMENT_BYTES_MAX: usize = 65_533;

/// The largest EXIF stream that a file can hold.
pub(crate) const EXIF_BYTES_MAX: usize = SEGMENT_BYTES_MAX - EXIF_PREFIX.len();

/// The largest XMP packet that a file can hold in one piece.
pub(crate) const XMP_BYTES_MAX: usize = SEGMENT_BYTES_MAX - segments::XMP_PREFIX.len();

/// The largest ICC profile: 254 numbered chunks.
pub(crate) const ICC_BYTES_MAX: usize = 254 * (SEGMENT_BYTES_MAX - 14);

/// Reads grey and RGB as they are, CMYK and YCCK as RGB.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let Segments { frame, mut metadata, mut warnings, is_adobe, coded } = segments::read(bytes)?;
    let (width, height) = (frame.width, frame.height);
    limits.check_header(Format::Jpeg, (width, height), frame.n_components.max(3).into())?;
    if frame.precision_bits != 8 || !frame.is_huffman_dct() {
        return Err(ImageError::Unsupported {
            format: Format::Jpeg,
            detail: format!("{} bits, lossless or arithmetic coding", frame.precision_bits),
            hint: "convert it to TIFF or PNG first",
        });
    }
    let (samples, space) = decode_samples(&coded)?;
    let (n_channels, samples) = match space {
        ColorSpace::Luma => (1, Samples::U8(samples)),
        ColorSpace::CMYK | ColorSpace::YCCK => {
            let inks = Samples::U8(stored_inks(samples, space == ColorSpace::YCCK, is_adobe));
            let (rgb, warning) = cmyk::to_rgb(&inks, metadata.icc.take().as_deref());
            warnings.extend(warning);
            (3, rgb)
        }
        _ => (3, Samples::U8(samples)),
    };
    let pixels = Pixels { width, height, n_channels, samples: Cow::Owned(samples) };
    Ok(Found { pixels, metadata, warnings })
}

/// Amounts of ink. YCCK is CMYK whose colours went through YCbCr; Adobe stores paper, not ink.
fn stored_inks(mut samples: Vec<u8>, is_ycck: bool, is_adobe: bool) -> Vec<u8> {
    for pixel in samples.chunks_exact_mut(4) {
        if is_ycck {
            let rgb = cmyk::ycbcr_to_rgb(pixel[0], pixel[1], pixel[2]);
            pixel[..3].copy_from_slice(&rgb.map(|value| 255 - value));
        }
        if is_adobe {
            pixel.iter_mut().for_each(|value| *value = 255 - *value);
        }
    }
    samples
}

/// Interleaved samples: grey, RGB, or the four inks as stored.
fn decode_samples(coded: &[u8]) -> Result<(Vec<u8>, ColorSpace), ImageError> {
    let bad = |error| ImageError::bad(Format::Jpeg, error);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(coded), options);
    decoder.decode_headers().map_err(bad)?;
    let space = match decoder.input_colorspace() {
        Some(stored @ (ColorSpace::Luma | ColorSpace::CMYK | ColorSpace::YCCK)) => stored,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    Ok((decoder.decode().map_err(bad)?, space))
}

/// Writes grey or RGB; alpha has been refused before.
pub(crate) fn encode(
    pixels: &Pixels<'_>,
    metadata: &Metadata,
    options: &EncodeOptions,
) -> Result<Vec<u8>, ImageError> {
    let size = (u16::try_from(pixels.width), u16::try_from(pixels.height));
    let (Ok(width), Ok(height)) = size else {
        return Err(ImageError::CannotHold {
            format: Format::Jpeg,
            what: format!("{}x{} pixels, a side is at most 65535", pixels.width, pixels.height),
            hint: "choose PNG or TIFF",
        });
    };
    let color = if pixels.n_channels == 1 { ColorType::Luma } else { ColorType::Rgb };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, options.quality.clamp(1, 100));
    encoder.set_optimized_huffman_tables(true);
    let wrong = |error| ImageError::encode(Format::Jpeg, error);
    for (number, segment) in application_segments(metadata) {
        encoder.add_app_segment(number, segment).map_err(wrong)?;
    }
    if let Some(icc) = &metadata.icc {
        encoder.add_icc_profile(icc).map_err(wrong)?;
    }
    encoder.encode(pixels.bytes(), width, height, color).map_err(wrong)?;
    Ok(bytes)
}

/// EXIF, XMP and Photoshop resources; the last may be continued over several segments.
fn application_segments(metadata: &Metadata) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    if let Some(exif) = &metadata.exif {
        found.push((1, [EXIF_PREFIX, exif].concat()));
    }
    if let Some(xmp) = &metadata.xmp {
        found.push((1, [segments::XMP_PREFIX, xmp].concat()));
    }
    let chunk_bytes = SEGMENT_BYTES_MAX - segments::PHOTOSHOP_PREFIX.len();
    for chunk in metadata.iptc.iter().flat_map(|resources| resources.chunks(chunk_bytes)) {
        found.push((13, [segments::PHOTOSHOP_PREFIX, chunk].concat()));
    }
    found
}
