//! JPEG: strict decoding of baseline and progressive files, metadata in application segments.

mod segments;

use std::borrow::Cow;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
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

/// Up to this many pixels, files are made a few percent smaller by tables of their own, for which the
/// encoder holds all coefficients at once: six bytes a pixel.
const OPTIMISED_PIXELS_MAX: u64 = 32_000_000;

/// Reads grey and RGB as they are, CMYK and YCCK as RGB.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let Segments { frame, mut metadata, mut warnings, is_adobe, n_scans, mut coded } =
        segments::read(bytes)?;
    let (width, height) = (frame.width, frame.height);
    limits.check_header(Format::Jpeg, (width, height), frame.n_components.max(3).into())?;
    if frame.precision_bits != 8 || !frame.is_huffman_dct() {
        return Err(ImageError::Unsupported {
            format: Format::Jpeg,
            detail: format!("{} bits, lossless or arithmetic coding", frame.precision_bits),
            hint: "convert it to TIFF or PNG first",
        });
    }
    let is_simple = frame.n_components < 4 && (frame.is_progressive() || n_scans == 1);
    if is_simple && !frame.is_progressive() {
        hide_end(&mut coded);
    }
    let samples = if is_simple { decode_fast(&coded)? } else { decode_thoroughly(&coded)? };
    let (n_channels, samples) = match frame.n_components {
        1 => (1, Samples::U8(samples)),
        4 => {
            let inks = Samples::U8(inks(samples, is_adobe));
            let (rgb, warning) = cmyk::to_rgb(&inks, metadata.icc.take().as_deref());
            warnings.extend(warning);
            (3, rgb)
        }
        _ => (3, Samples::U8(samples)),
    };
    let pixels = Pixels { width, height, n_channels, samples: Cow::Owned(samples) };
    Ok(Found { pixels, metadata, warnings })
}

/// Takes the end-of-image marker away: met too early, it would end the picture silently, while
/// running out of bytes is an error. The padding is more than the decoder reads ahead.
fn hide_end(coded: &mut Vec<u8>) {
    coded.truncate(coded.len() - 2);
    coded.extend([0; 16]);
}

/// One or three components, interleaved or progressive: nearly every file there is.
fn decode_fast(coded: &[u8]) -> Result<Vec<u8>, ImageError> {
    let bad = |error| ImageError::bad(Format::Jpeg, error);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(coded), options);
    decoder.decode_headers().map_err(bad)?;
    let space = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    decoder.decode().map_err(bad)
}

/// Four components, or sequential ones in scans of their own, which the fast decoder gets wrong
/// when some are subsampled. Four components come inverted, as Adobe's files need.
fn decode_thoroughly(coded: &[u8]) -> Result<Vec<u8>, ImageError> {
    jpeg_decoder::Decoder::new(coded).decode().map_err(|error| ImageError::bad(Format::Jpeg, error))
}

/// Amounts of ink: Adobe's files store how much paper is left, others the ink itself.
fn inks(mut samples: Vec<u8>, is_adobe: bool) -> Vec<u8> {
    if !is_adobe {
        samples.iter_mut().for_each(|value| *value = 255 - *value);
    }
    samples
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
    // With subsampled colour, optimised tables would put each component into a scan of its own:
    // lawful, but more than some decoders get right.
    let is_full_resolution = encoder.sampling_factor() == SamplingFactor::F_1_1;
    let is_small = u64::from(pixels.width) * u64::from(pixels.height) <= OPTIMISED_PIXELS_MAX;
    encoder.set_optimized_huffman_tables(is_full_resolution && is_small);
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
