//! What travels with the pixels, and how it is kept true.

pub(crate) mod exif;
pub(crate) mod gather;
pub(crate) mod ifd;
pub(crate) mod photoshop;
mod resolution;
mod thumbnail;
mod xmp;

use crate::{
    codec::{Format, jpeg},
    metadata::exif::Exif,
    orientation::Orientation,
    photo::{Metadata, Photo},
};

/// Written into EXIF `Software` and XMP `CreatorTool`.
const PROGRAM: &str = concat!("Tapetum ", env!("CARGO_PKG_VERSION"));

/// The orientation that the file asks for; afterwards the tags say upright. EXIF that cannot be
/// read is dropped with a warning.
pub(crate) fn take_orientation(
    metadata: &mut Metadata,
    warnings: &mut Vec<String>,
) -> Option<Orientation> {
    metadata.xmp = metadata.xmp.take().map(|packet| xmp::make_upright(&packet));
    let Some(mut exif) = Exif::parse(metadata.exif.take()?) else {
        warnings.push("the EXIF block is malformed and is dropped".to_owned());
        return None;
    };
    let orientation = exif.orientation();
    exif.set_upright();
    metadata.exif = Some(exif.into_bytes());
    let known = orientation.and_then(Orientation::from_exif);
    if let (Some(value), None) = (orientation, known) {
        warnings.push(format!("orientation is 1 to 8, got {value}: taken as upright"));
    }
    known
}

/// Keeps the blocks true for a photograph that was enlarged: sizes in print and on the sensor stay, so there
/// are more pixels to an inch, and positions in pixels move. Nothing is added.
pub(crate) fn enlarge(metadata: &mut Metadata, scale: u32) {
    if let Some(bytes) = &mut metadata.exif
        && let Some(mut exif) = Exif::parse(bytes.clone())
    {
        exif.enlarge(scale);
        *bytes = exif.into_bytes();
    }
    if let Some(packet) = &mut metadata.xmp {
        *packet = xmp::enlarge(packet, scale);
    }
    if let Some(resources) = &mut metadata.iptc {
        photoshop::enlarge(resources, scale);
    }
}

/// The blocks to write into a file of this format and what of them had to stay behind.
pub(crate) fn for_writing(photo: &Photo, format: Format) -> (Metadata, Vec<String>) {
    let mut losses = Vec::new();
    let metadata = if format.has_metadata() {
        Metadata {
            exif: exif_for_writing(photo, format, &mut losses),
            xmp: xmp_for_writing(photo, format, &mut losses),
            iptc: fitting(&photo.metadata.iptc, "IPTC", iptc_bytes_max(format), &mut losses),
            icc: fitting(&photo.metadata.icc, "the ICC profile", icc_max(format), &mut losses),
        }
    } else {
        name_homeless(&photo.metadata, &mut losses);
        Metadata::default()
    };
    let sentence = |loss| format!("{} cannot hold {loss}", format.name());
    (metadata, losses.into_iter().map(sentence).collect())
}

fn exif_for_writing(photo: &Photo, format: Format, losses: &mut Vec<String>) -> Option<Vec<u8>> {
    let Some(mut exif) = Exif::parse(photo.metadata.exif.clone()?) else {
        losses.push("malformed EXIF".to_owned());
        return None;
    };
    let raster = &photo.raster;
    exif.cut_thumbnail();
    exif.set_upright();
    exif.set_size(raster.width(), raster.height());
    exif.set_software(PROGRAM);
    if exif.has_thumbnail() {
        // A TIFF's second directory would be a second page.
        match thumbnail::of(raster).filter(|_| format != Format::Tiff) {
            Some(thumbnail) => exif.set_thumbnail(&thumbnail),
            None => exif.remove_thumbnail(),
        }
    }
    let bytes_max = exif_bytes_max(format);
    let bytes = exif.into_bytes();
    if bytes.len() <= bytes_max {
        return Some(bytes);
    }
    let mut exif = Exif::parse(bytes).expect("patched EXIF stays readable");
    exif.remove_thumbnail();
    losses.push("the EXIF thumbnail beside so much EXIF".to_owned());
    fitting(&Some(exif.into_bytes()), "EXIF", bytes_max, losses)
}

fn xmp_for_writing(photo: &Photo, format: Format, losses: &mut Vec<String>) -> Option<Vec<u8>> {
    let (width, height) = (photo.raster.width(), photo.raster.height());
    let packet = photo.metadata.xmp.as_ref()?;
    let packet = xmp::make_true(packet, width, height, PROGRAM);
    if format == Format::Png && std::str::from_utf8(&packet).is_err() {
        losses.push("an XMP packet that is not UTF-8".to_owned());
        return None;
    }
    let bytes_max = if format == Format::Jpeg { jpeg::XMP_BYTES_MAX } else { CHUNK_BYTES_MAX };
    fitting(&Some(packet), "XMP", bytes_max, losses)
}

/// The block unless it is too large for its place, which is named.
fn fitting(
    block: &Option<Vec<u8>>,
    name: &str,
    bytes_max: usize,
    losses: &mut Vec<String>,
) -> Option<Vec<u8>> {
    let bytes = block.as_ref()?;
    if bytes.len() > bytes_max {
        losses.push(match bytes_max {
            0 => name.to_owned(),
            _ => format!("{name} of {} bytes, at most {bytes_max}", bytes.len()),
        });
        return None;
    }
    Some(bytes.clone())
}

fn name_homeless(metadata: &Metadata, losses: &mut Vec<String>) {
    let blocks = [
        (&metadata.exif, "EXIF"),
        (&metadata.xmp, "XMP"),
        (&metadata.iptc, "IPTC"),
        (&metadata.icc, "the ICC profile"),
    ];
    losses.extend(blocks.iter().filter(|(block, _)| block.is_some()).map(|(_, n)| (*n).to_owned()));
}

/// Far below the 2 or 4 GiB that chunks and offsets allow; no real block comes near.
const CHUNK_BYTES_MAX: usize = 1 << 28;

fn exif_bytes_max(format: Format) -> usize {
    if format == Format::Jpeg { jpeg::EXIF_BYTES_MAX } else { CHUNK_BYTES_MAX }
}

fn iptc_bytes_max(format: Format) -> usize {
    if format == Format::WebP { 0 } else { CHUNK_BYTES_MAX }
}

fn icc_max(format: Format) -> usize {
    if format == Format::Jpeg { jpeg::ICC_BYTES_MAX } else { CHUNK_BYTES_MAX }
}
