//! PNG: every bit depth and colour type, metadata in ancillary chunks.

mod color;
mod raw_profile;

use std::{borrow::Cow, io::Cursor};

use png::{
    BitDepth, ColorType, Decoder, DeflateCompression, Encoder, Filter, Info, Reader,
    Transformations,
};

use crate::{
    codec::{EXIF_PREFIX, Format, Found, Pixels},
    error::ImageError,
    limits::Limits,
    metadata::photoshop::wrap_iptc,
    photo::Metadata,
    raster::Samples,
};

const XMP_KEYWORD: &str = "XML:com.adobe.xmp";
const RAW_PROFILE: &str = "Raw profile type ";

/// On photographs five times as fast as the codec's own middle way, for one byte in twenty more.
const LEVEL: u8 = 2;

/// Compressed text that swells beyond this is left alone.
const TEXT_BYTES_MAX: usize = 32 << 20;

/// Reads any PNG; palettes and low depths become 8 bits, `tRNS` becomes alpha.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Found, ImageError> {
    let bad = |error| ImageError::bad(Format::Png, error);
    let room = png::Limits { bytes: limits.working_bytes() };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), room);
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(bad)?;
    let size = header.size();
    limits.check_header(Format::Png, size, header.bytes_per_pixel() as u64)?;
    let mut reader = decoder.read_info().map_err(bad)?;
    let mut warnings = Vec::new();
    let pixels = decode_pixels(&mut reader, limits)?;
    if reader.info().is_animated() {
        warnings.push("the file is an animation, only its first picture is kept".to_owned());
    }
    if reader.finish().is_err() {
        warnings.push("the file is damaged after its pixels, metadata there is lost".to_owned());
    }
    let metadata = read_metadata(reader.info(), &mut warnings);
    Ok(Found { pixels, metadata, warnings })
}

fn decode_pixels(
    reader: &mut Reader<Cursor<&[u8]>>,
    limits: &Limits,
) -> Result<Pixels<'static>, ImageError> {
    let bad = |error| ImageError::bad(Format::Png, error);
    let (color, depth) = reader.output_color_type();
    let (width, height) = reader.info().size();
    let n_channels = color.samples();
    let bytes_per_pixel = n_channels * if depth == BitDepth::Sixteen { 2 } else { 1 };
    limits.check_header(Format::Png, (width, height), bytes_per_pixel as u64)?;
    let mut bytes = vec![0; width as usize * height as usize * bytes_per_pixel];
    reader.next_frame(&mut bytes).map_err(bad)?;
    let samples = if depth == BitDepth::Sixteen {
        Samples::U16(bytes.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect())
    } else {
        Samples::U8(bytes)
    };
    Ok(Pixels { width, height, n_channels, samples: Cow::Owned(samples) })
}

/// Proper chunks first, the spellings of other programs where there are none.
fn read_metadata(info: &Info<'_>, warnings: &mut Vec<String>) -> Metadata {
    let owned = |bytes: &Cow<'_, [u8]>| bytes.to_vec();
    let without_prefix = |exif: Vec<u8>| match exif.strip_prefix(EXIF_PREFIX) {
        Some(stream) => stream.to_vec(),
        None => exif,
    };
    let exif = info.exif_metadata.as_ref().map(owned);
    let exif = exif.or_else(|| raw_profile(info, "exif")).or_else(|| raw_profile(info, "APP1"));
    let iptc = raw_profile(info, "iptc").or_else(|| raw_profile(info, "8bim"));
    let mut icc = info.icc_profile.as_ref().map(owned);
    if icc.is_none() {
        icc = color::described_profile(info).unwrap_or_else(|detail| {
            warnings.push(format!("the colours are treated as sRGB: {detail}"));
            None
        });
    }
    Metadata {
        exif: exif.map(without_prefix),
        xmp: xmp(info).or_else(|| raw_profile(info, "xmp")),
        iptc: iptc.map(|records| wrap_iptc(&records)),
        icc: icc.or_else(|| raw_profile(info, "icc")),
    }
}

fn xmp(info: &Info<'_>) -> Option<Vec<u8>> {
    let mut text = info.utf8_text.iter().find(|text| text.keyword == XMP_KEYWORD)?.clone();
    text.decompress_text_with_limit(TEXT_BYTES_MAX).ok()?;
    text.get_text().ok().map(String::into_bytes)
}

/// A block that was spelled out as text, compressed or not.
fn raw_profile(info: &Info<'_>, name: &str) -> Option<Vec<u8>> {
    let is_wanted = |keyword: &str| keyword.strip_prefix(RAW_PROFILE) == Some(name);
    let compressed = info.compressed_latin1_text.iter().find(|text| is_wanted(&text.keyword));
    if let Some(text) = compressed {
        let mut text = text.clone();
        text.decompress_text_with_limit(TEXT_BYTES_MAX).ok()?;
        return raw_profile::parse(&text.get_text().ok()?);
    }
    let plain = info.uncompressed_latin1_text.iter().find(|text| is_wanted(&text.keyword))?;
    raw_profile::parse(&plain.text)
}

/// Writes 8 or 16 bits, each row with the filter that suits it.
pub(crate) fn encode(pixels: &Pixels<'_>, metadata: &Metadata) -> Result<Vec<u8>, ImageError> {
    let wrong = |error| ImageError::encode(Format::Png, error);
    let mut info = Info::with_size(pixels.width, pixels.height);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::with_info(&mut bytes, info).map_err(wrong)?;
    encoder.set_color(match pixels.n_channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        _ => ColorType::Rgba,
    });
    encoder.set_deflate_compression(DeflateCompression::Level(LEVEL));
    encoder.set_filter(Filter::Adaptive);
    if let Some(text) = metadata.xmp.as_deref().and_then(|xmp| std::str::from_utf8(xmp).ok()) {
        encoder.add_itxt_chunk(XMP_KEYWORD.to_owned(), text.to_owned()).map_err(wrong)?;
    }
    if let Some(resources) = &metadata.iptc {
        let text = raw_profile::write("iptc", resources);
        encoder.add_ztxt_chunk(format!("{RAW_PROFILE}iptc"), text).map_err(wrong)?;
    }
    let wide;
    let data = match pixels.samples.as_ref() {
        Samples::U8(values) => {
            encoder.set_depth(BitDepth::Eight);
            values
        }
        Samples::U16(values) => {
            encoder.set_depth(BitDepth::Sixteen);
            wide = values.iter().flat_map(|value| value.to_be_bytes()).collect();
            &wide
        }
        Samples::F32(_) => unreachable!("samples were brought to 16 bits"),
    };
    let mut writer = encoder.write_header().map_err(wrong)?;
    writer.write_image_data(data).map_err(wrong)?;
    writer.finish().map_err(wrong)?;
    Ok(bytes)
}
