//! TIFF files to samples and metadata.

use std::{borrow::Cow, io::Cursor};

use tiff::{
    ColorType, TiffError,
    decoder::{BufferLayoutPreference, Decoder, DecodingResult, Limits as TiffLimits},
    tags::Tag,
};

use crate::{
    codec::{Format, Found, Pixels, cmyk, tiff::encode::ASSOCIATED_ALPHA},
    error::ImageError,
    limits::Limits,
    metadata::{
        exif::Exif,
        gather::{self, gather},
        ifd::{self, Entry},
        photoshop::wrap_iptc,
    },
    photo::Metadata,
    raster::Samples,
};

const NEW_SUBFILE_TYPE: u16 = 254;
const EXTRA_SAMPLES: u16 = 338;
const DNG_VERSION: u16 = 50_706;

type TiffFile<'a> = Decoder<Cursor<&'a [u8]>>;

/// Reads the first page; CMYK and YCbCr become RGB, premultiplied alpha is undone.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    refuse_camera_raw(bytes)?;
    let mut file = Decoder::new(Cursor::new(bytes)).map_err(|error| refusal(error, limits))?;
    let size = file.dimensions().map_err(|error| refusal(error, limits))?;
    let color = file.colortype().map_err(|error| refusal(error, limits))?;
    let n_stored = n_stored_channels(color).ok_or_else(|| unsupported(format!("{color:?}")))?;
    let bytes_per_pixel = (n_stored as u64 * u64::from(color.bit_depth())).div_ceil(8);
    limits.check_header(Format::Tiff, size, bytes_per_pixel)?;
    let mut file = file.with_limits(tiff_limits(size, bytes_per_pixel, limits));
    let mut warnings = Vec::new();
    let mut metadata = read_metadata(bytes, &mut file, &mut warnings);
    let samples = read_samples(&mut file, color, size, limits)?;
    let (n_channels, mut samples) = to_rgb(samples, color, n_stored, &mut metadata, &mut warnings);
    if matches!(n_channels, 2 | 4) && is_premultiplied(bytes) {
        undo_premultiplying(&mut samples, n_channels);
    }
    if file.more_images() {
        warnings.push("the file has further pages, only the first is kept".to_owned());
    }
    let pixels = Pixels { width: size.0, height: size.1, n_channels, samples: Cow::Owned(samples) };
    Ok(Found { pixels, metadata, warnings })
}

fn n_stored_channels(color: ColorType) -> Option<usize> {
    match color {
        ColorType::Gray(1 | 2 | 4 | 8 | 16 | 32) => Some(1),
        ColorType::Multiband { bit_depth: 8 | 16 | 32, num_samples: 2 } => Some(2),
        ColorType::RGB(8 | 16 | 32) | ColorType::YCbCr(8) => Some(3),
        ColorType::RGBA(8 | 16 | 32) | ColorType::CMYK(8 | 16) => Some(4),
        _ => None,
    }
}

fn tiff_limits((width, height): (u32, u32), bytes_per_pixel: u64, limits: &Limits) -> TiffLimits {
    let decoded = u64::from(width) * u64::from(height) * bytes_per_pixel.max(1);
    let mut tiff_limits = TiffLimits::default();
    // The samples were checked before; tag values share this bound, so it does not shrink.
    let decoded = usize::try_from(decoded).unwrap_or(usize::MAX);
    tiff_limits.decoding_buffer_size = tiff_limits.decoding_buffer_size.max(decoded);
    tiff_limits.intermediate_buffer_size = limits.working_bytes();
    tiff_limits
}

/// Interleaved samples as stored, low depths spread to 8 bits.
fn read_samples(
    file: &mut TiffFile<'_>,
    color: ColorType,
    size: (u32, u32),
    limits: &Limits,
) -> Result<Samples, ImageError> {
    let mut buffer = DecodingResult::U8(Vec::new());
    let layout = file.read_image_to_buffer(&mut buffer).map_err(|error| refusal(error, limits))?;
    if buffer.as_buffer(0).byte_len() < layout.complete_len {
        return Err(ImageError::bad(Format::Tiff, "expected every plane, got the first"));
    }
    match buffer {
        DecodingResult::U8(values) if color.bit_depth() < 8 => {
            Ok(Samples::U8(spread_bits(&values, color.bit_depth(), size)))
        }
        DecodingResult::U8(values) => Ok(Samples::U8(interleave(values, &layout))),
        DecodingResult::U16(values) => Ok(Samples::U16(interleave(values, &layout))),
        DecodingResult::F32(values) => Ok(Samples::F32(interleave(values, &layout))),
        DecodingResult::F16(values) => {
            let values = values.into_iter().map(f32::from).collect();
            Ok(Samples::F32(interleave(values, &layout)))
        }
        _ => Err(unsupported("signed, 32-bit whole or 64-bit samples".to_owned())),
    }
}

/// Planes one after the other become pixels.
fn interleave<T: Copy>(values: Vec<T>, layout: &BufferLayoutPreference) -> Vec<T> {
    if layout.planes <= 1 {
        return values;
    }
    let n_pixels = values.len() / layout.planes;
    let planes = layout.planes;
    (0..n_pixels)
        .flat_map(|idx| (0..planes).map(move |plane| (idx, plane)))
        .map(|(idx, plane)| values[plane * n_pixels + idx])
        .collect()
}

/// Rows of 1, 2 or 4 bits a pixel, each row starting a new byte.
fn spread_bits(packed: &[u8], depth_bits: u8, (width, height): (u32, u32)) -> Vec<u8> {
    let per_byte = usize::from(8 / depth_bits);
    let max = (1u8 << depth_bits) - 1;
    let mut values = Vec::with_capacity(width as usize * height as usize);
    for row in packed.chunks_exact((width as usize).div_ceil(per_byte)) {
        values.extend((0..width as usize).map(|x| {
            let shift = 8 - depth_bits * ((x % per_byte) as u8 + 1);
            ((row[x / per_byte] >> shift) & max) * (255 / max)
        }));
    }
    values
}

/// Grey and RGB as they are; CMYK leaves its profile behind.
fn to_rgb(
    samples: Samples,
    color: ColorType,
    n_stored: usize,
    metadata: &mut Metadata,
    warnings: &mut Vec<String>,
) -> (usize, Samples) {
    match (color, samples) {
        (ColorType::CMYK(_), samples) => {
            let (rgb, warning) = cmyk::to_rgb(&samples, metadata.icc.take().as_deref());
            warnings.extend(warning);
            (3, rgb)
        }
        (ColorType::YCbCr(_), Samples::U8(mut values)) => {
            for pixel in values.chunks_exact_mut(3) {
                pixel.copy_from_slice(&cmyk::ycbcr_to_rgb(pixel[0], pixel[1], pixel[2]));
            }
            (3, Samples::U8(values))
        }
        (_, samples) => (n_stored, samples),
    }
}

fn undo_premultiplying(samples: &mut Samples, n_channels: usize) {
    let whole = |value: f32, alpha: f32, max: f32| (value * max / alpha).min(max) + 0.5;
    match samples {
        Samples::U8(values) => divide(values, n_channels, |v, alpha| {
            if alpha == 0 { 0 } else { whole(v.into(), alpha.into(), 255.0) as u8 }
        }),
        Samples::U16(values) => divide(values, n_channels, |v, alpha| {
            if alpha == 0 { 0 } else { whole(v.into(), alpha.into(), 65_535.0) as u16 }
        }),
        Samples::F32(values) => {
            divide(values, n_channels, |v, alpha| if alpha > 0.0 { v / alpha } else { 0.0 });
        }
    }
}

fn divide<T: Copy>(values: &mut [T], n_channels: usize, by_alpha: impl Fn(T, T) -> T) {
    for pixel in values.chunks_exact_mut(n_channels) {
        let alpha = pixel[n_channels - 1];
        for value in &mut pixel[..n_channels - 1] {
            *value = by_alpha(*value, alpha);
        }
    }
}

/// EXIF, XMP, IPTC and ICC from the tags of the first directory.
fn read_metadata(bytes: &[u8], file: &mut TiffFile<'_>, warnings: &mut Vec<String>) -> Metadata {
    if ifd::open(bytes).is_none() {
        warnings.push("of a BigTIFF file's metadata only colour and orientation are kept".into());
        let orientation = file.find_tag_unsigned(Tag::Orientation).ok().flatten();
        let exif = orientation.map(Exif::with_orientation);
        let icc = file.get_tag_u8_vec(Tag::IccProfile).ok();
        return Metadata { exif, icc, ..Metadata::default() };
    }
    let gathered = gather(bytes);
    if gathered.as_ref().is_some_and(|gathered| gathered.maker_note_moved) {
        warnings.push("the maker note moved, some programs may not read it any more".to_owned());
    }
    let photoshop = value(bytes, gather::PHOTOSHOP).filter(|data| data.starts_with(b"8BIM"));
    Metadata {
        exif: gathered.map(|gathered| gathered.exif),
        xmp: value(bytes, gather::XMP),
        iptc: photoshop.or_else(|| value(bytes, gather::IPTC).map(|records| wrap_iptc(&records))),
        icc: value(bytes, gather::ICC),
    }
}

fn refuse_camera_raw(bytes: &[u8]) -> Result<(), ImageError> {
    let is_preview = number(bytes, NEW_SUBFILE_TYPE).is_some_and(|kind| kind & 1 == 1);
    let is_canon = bytes.get(8..10) == Some(b"CR");
    if is_canon || is_preview || entry(bytes, DNG_VERSION).is_some() {
        return Err(ImageError::Unsupported {
            format: Format::Tiff,
            detail: "camera raw data".to_owned(),
            hint: "develop the raw file to a 16-bit TIFF first",
        });
    }
    Ok(())
}

fn is_premultiplied(bytes: &[u8]) -> bool {
    number(bytes, EXTRA_SAMPLES) == Some(ASSOCIATED_ALPHA)
}

fn entry(bytes: &[u8], tag: u16) -> Option<Entry> {
    let (order, at) = ifd::open(bytes)?;
    ifd::read(bytes, order, at)?.entry(tag).copied()
}

fn number(bytes: &[u8], tag: u16) -> Option<u32> {
    let (order, _) = ifd::open(bytes)?;
    entry(bytes, tag)?.number(bytes, order)
}

fn value(bytes: &[u8], tag: u16) -> Option<Vec<u8>> {
    let (order, _) = ifd::open(bytes)?;
    let range = entry(bytes, tag)?.value_range(bytes, order)?;
    Some(bytes[range].to_vec())
}

fn unsupported(detail: String) -> ImageError {
    let hint = "save it as 8 or 16-bit grey or RGB with LZW or Deflate compression";
    ImageError::Unsupported { format: Format::Tiff, detail, hint }
}

fn refusal(error: TiffError, limits: &Limits) -> ImageError {
    match error {
        TiffError::UnsupportedError(detail) => unsupported(detail.to_string()),
        TiffError::LimitsExceeded => ImageError::Limit {
            name: "decoded_bytes_max",
            limit: limits.decoded_bytes_max,
            found: u64::MAX,
        },
        error => ImageError::bad(Format::Tiff, error),
    }
}
