//! Bytes to photographs and back, the format decided by content.

mod cmyk;
mod format;
mod gif;
mod guard;
mod interleave;
pub(crate) mod jpeg;
mod plain;
mod png;
mod qoi;
mod tiff;
mod webp;

use std::borrow::Cow;

pub use crate::codec::format::Format;

use crate::{
    codec::{
        guard::stop_panics,
        interleave::{join, split},
    },
    error::ImageError,
    limits::{self, Limits},
    metadata,
    photo::{Metadata, Photo},
    raster::Samples,
};

/// What JPEG, and by mistake other files, put before an EXIF stream.
pub(crate) const EXIF_PREFIX: &[u8] = b"Exif\0\0";

/// How to write a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// 1..=100, for lossy formats; from 90 on colour is stored at full resolution.
    pub quality: u8,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { quality: 95 }
    }
}

/// Interleaved samples between this module and a codec: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
pub(crate) struct Pixels<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) n_channels: usize,
    pub(crate) samples: Cow<'a, Samples>,
}

impl Pixels<'_> {
    /// Eight-bit samples, for formats that hold no other.
    fn bytes(&self) -> &[u8] {
        match self.samples.as_ref() {
            Samples::U8(values) => values,
            _ => unreachable!("samples were brought to 8 bits"),
        }
    }
}

/// What a codec found in a file, orientation not yet applied.
pub(crate) struct Found {
    pub(crate) pixels: Pixels<'static>,
    pub(crate) metadata: Metadata,
    pub(crate) warnings: Vec<String>,
}

/// Reads a photograph, its format decided by content and its orientation applied.
///
/// A file that ends before its last row is an error, never a photograph with missing parts. One
/// case cannot be told from a coarse picture: a progressive JPEG that lacks its later scans but has
/// an end marker.
///
/// # Errors
/// `UnknownFormat`, `Limit` and `Unsupported` from the header alone; `BadData` and `Panicked` when
/// the content is damaged.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Photo, ImageError> {
    limits::check("file_bytes_max", limits.file_bytes_max, bytes.len() as u64)?;
    let format = Format::detect(bytes).ok_or_else(|| format::unknown(bytes))?;
    let found = stop_panics(format, || match format {
        Format::Jpeg => jpeg::decode(bytes, limits),
        Format::Png => png::decode(bytes, limits),
        Format::Tiff => tiff::decode(bytes, limits),
        Format::WebP => webp::decode(bytes, limits),
        Format::Bmp => plain::decode_bmp(bytes, limits),
        Format::Pnm => plain::decode_pnm(bytes, limits),
        Format::Qoi => qoi::decode(bytes, limits),
        Format::Gif => gif::decode(bytes, limits),
        Format::Avif => Err(no_avif()),
    })?;
    finish_decoding(found, format)
}

/// Separates alpha and turns the photograph upright.
fn finish_decoding(found: Found, format: Format) -> Result<Photo, ImageError> {
    let Found { pixels, mut metadata, mut warnings } = found;
    let stored_size = (pixels.width, pixels.height);
    let (mut raster, mut alpha) = split(pixels)?;
    if let Some(orientation) = metadata::take_orientation(&mut metadata, &mut warnings) {
        raster = orientation.apply(raster);
        alpha = alpha.map(|samples| orientation.apply_to_samples(samples, stored_size, 1));
    }
    Ok(Photo { raster, alpha, metadata, format, warnings })
}

/// Writes a photograph with its metadata made true: upright, its real size, this program's name
/// and a thumbnail of the new pixels where there was one. Samples deeper than the format can hold
/// are rounded; [`losses`] names this and everything else that cannot come along.
///
/// # Errors
/// `Unsupported` when the format is only read; `CannotHold` when alpha or the size would be lost.
///
/// # Panics
/// When `alpha` does not have one sample a pixel.
pub fn encode(
    photo: &Photo,
    format: Format,
    options: &EncodeOptions,
) -> Result<Vec<u8>, ImageError> {
    if !format.can_write() {
        return Err(ImageError::Unsupported {
            format,
            detail: "files are read, not written".to_owned(),
            hint: "choose JPEG, PNG, TIFF or WebP",
        });
    }
    let opaque = photo.alpha.as_ref().is_none_or(is_opaque);
    if !opaque && !format.has_alpha() {
        return Err(ImageError::CannotHold {
            format,
            what: "transparency".to_owned(),
            hint: "choose PNG, TIFF or WebP, or flatten the photograph first",
        });
    }
    let (metadata, _) = metadata::for_writing(photo, format);
    let pixels = join(photo, format);
    stop_panics(format, || match format {
        Format::Jpeg => jpeg::encode(&pixels, &metadata, options),
        Format::Png => png::encode(&pixels, &metadata),
        Format::Tiff => tiff::encode(&pixels, &metadata),
        Format::WebP => webp::encode(&pixels, &metadata),
        Format::Bmp => plain::encode_bmp(&pixels),
        Format::Pnm => Ok(plain::encode_pnm(&pixels)),
        Format::Qoi => qoi::encode(&pixels),
        Format::Gif | Format::Avif => unreachable!("what is only read was refused"),
    })
}

/// What of this photograph the format has no place for, one sentence each: metadata that is too
/// large or homeless, depth that is rounded. What would spoil the picture is an error of [`encode`].
pub fn losses(photo: &Photo, format: Format) -> Vec<String> {
    let (_, mut losses) = metadata::for_writing(photo, format);
    let (depth, depth_max) = (photo.raster.depth_bits(), format.depth_bits_max());
    if depth > depth_max {
        losses.push(format!(
            "{} holds {depth_max} bits a sample, the photograph's {depth} are rounded",
            format.name()
        ));
    }
    losses
}

fn is_opaque(alpha: &Samples) -> bool {
    match alpha {
        Samples::U8(values) => values.iter().all(|&v| v == u8::MAX),
        Samples::U16(values) => values.iter().all(|&v| v == u16::MAX),
        Samples::F32(values) => values.iter().all(|&v| v >= 1.0),
    }
}

fn no_avif() -> ImageError {
    ImageError::Unsupported {
        format: Format::Avif,
        detail: "reading it needs an AV1 decoder, which is not built in".to_owned(),
        hint: "convert it to JPEG, PNG, TIFF or WebP first",
    }
}
