//! A walk over a JPEG file's markers: what it says before any pixel is decoded.

use crate::{
    codec::{EXIF_PREFIX, Format},
    error::ImageError,
    limits,
    photo::Metadata,
};

pub(crate) const XMP_PREFIX: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENDED_XMP_PREFIX: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
pub(crate) const PHOTOSHOP_PREFIX: &[u8] = b"Photoshop 3.0\0";
const ICC_PREFIX: &[u8] = b"ICC_PROFILE\0";
const SCANS_MAX: u64 = 100;

/// The frame header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) precision_bits: u8,
    pub(crate) n_components: u8,
    /// Start of the marker that opened the frame, `0xC0..=0xCF`.
    marker: u8,
    /// Pixels a side of a minimum coded unit.
    mcu: (u32, u32),
}

/// Everything but the pixels.
pub(crate) struct Segments {
    pub(crate) frame: Frame,
    pub(crate) metadata: Metadata,
    pub(crate) warnings: Vec<String>,
    /// Whether an Adobe segment is there; such files store ink inverted.
    pub(crate) is_adobe: bool,
    pub(crate) n_scans: u64,
    /// The file without what the pixel decoder need not see: metadata and strays between markers.
    pub(crate) coded: Vec<u8>,
}

/// Walks to the end-of-image marker.
///
/// # Errors
/// `BadData` when the file ends before that marker or holds too little for its size; `Limit` when
/// there are more scans than any encoder writes.
pub(crate) fn read(bytes: &[u8]) -> Result<Segments, ImageError> {
    let mut walk = Walk { bytes, ..Walk::default() };
    walk.coded.extend_from_slice(&bytes[..2]);
    let mut position = 2;
    loop {
        let (marker, after) = next_marker(bytes, position).ok_or_else(cut_short)?;
        position = match marker {
            0xD9 => break,
            0x01 | 0xD0..=0xD8 => after,
            _ => walk.segment(marker, after)?,
        };
    }
    walk.coded.extend_from_slice(&[0xFF, 0xD9]);
    walk.finish()
}

#[derive(Default)]
struct Walk<'a> {
    bytes: &'a [u8],
    coded: Vec<u8>,
    frame: Option<Frame>,
    metadata: Metadata,
    icc_chunks: Vec<&'a [u8]>,
    warnings: Vec<String>,
    is_adobe: bool,
    n_scans: u64,
    entropy_bytes: u64,
}

impl<'a> Walk<'a> {
    /// Takes the segment whose length starts at `start`; returns where the next marker is sought.
    fn segment(&mut self, marker: u8, start: usize) -> Result<usize, ImageError> {
        let bytes = self.bytes;
        let length = bytes.get(start..start + 2).ok_or_else(cut_short)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            let detail = format!("expected a segment of at least 2 bytes, got {length}");
            return Err(ImageError::bad(Format::Jpeg, detail));
        }
        let end = start + length;
        let data = bytes.get(start + 2..end).ok_or_else(cut_short)?;
        match marker {
            0xE0..=0xED | 0xEF | 0xFE => self.application(marker, data),
            _ => {
                self.coded.extend_from_slice(&[0xFF, marker]);
                self.coded.extend_from_slice(&bytes[start..end]);
            }
        }
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                self.frame = Some(frame(marker, data)?);
            }
            0xEE if data.starts_with(b"Adobe") => self.is_adobe = true,
            0xDA => return self.scan(end),
            _ => {}
        }
        Ok(end)
    }

    fn scan(&mut self, start: usize) -> Result<usize, ImageError> {
        self.n_scans += 1;
        limits::check("jpeg_scans_max", SCANS_MAX, self.n_scans)?;
        let end = entropy_end(self.bytes, start).ok_or_else(cut_short)?;
        self.coded.extend_from_slice(&self.bytes[start..end]);
        self.entropy_bytes += (end - start) as u64;
        Ok(end)
    }

    fn application(&mut self, marker: u8, data: &'a [u8]) {
        let metadata = &mut self.metadata;
        match marker {
            0xE1 if data.starts_with(EXIF_PREFIX) && metadata.exif.is_none() => {
                metadata.exif = Some(data[EXIF_PREFIX.len()..].to_vec());
            }
            0xE1 if data.starts_with(XMP_PREFIX) && metadata.xmp.is_none() => {
                metadata.xmp = Some(data[XMP_PREFIX.len()..].to_vec());
            }
            0xE1 if data.starts_with(EXTENDED_XMP_PREFIX) => {
                self.warn_once("the extended part of the XMP packet is not kept");
            }
            0xE2 if data.starts_with(ICC_PREFIX) => self.icc_chunks.push(&data[ICC_PREFIX.len()..]),
            0xE2 if data.starts_with(b"MPF\0") => {
                self.warn_once("the file holds further pictures, only the first is kept");
            }
            0xED if data.starts_with(PHOTOSHOP_PREFIX) => {
                let resources = metadata.iptc.get_or_insert_default();
                resources.extend_from_slice(&data[PHOTOSHOP_PREFIX.len()..]);
            }
            _ => {}
        }
    }

    fn warn_once(&mut self, text: &str) {
        if !self.warnings.iter().any(|warning| warning == text) {
            self.warnings.push(text.to_owned());
        }
    }

    fn finish(mut self) -> Result<Segments, ImageError> {
        let frame = self
            .frame
            .ok_or_else(|| ImageError::bad(Format::Jpeg, "expected a frame header, got none"))?;
        if self.n_scans == 0 {
            return Err(ImageError::bad(Format::Jpeg, "expected a scan, got none"));
        }
        if !self.icc_chunks.is_empty() {
            self.metadata.icc = join_icc(&mut self.icc_chunks);
            if self.metadata.icc.is_none() {
                self.warnings.push("parts of the colour profile are missing, it is dropped".into());
            }
        }
        check_plausible(frame, self.entropy_bytes)?;
        let Self { metadata, warnings, is_adobe, n_scans, coded, .. } = self;
        Ok(Segments { frame, metadata, warnings, is_adobe, n_scans, coded })
    }
}

/// The marker at or after `position` and where its bytes end, strays and fill bytes skipped.
fn next_marker(bytes: &[u8], position: usize) -> Option<(u8, usize)> {
    let mut position = position;
    loop {
        position += bytes.get(position..)?.iter().position(|&byte| byte == 0xFF)?;
        while *bytes.get(position)? == 0xFF {
            position += 1;
        }
        let marker = bytes[position];
        position += 1;
        if marker != 0 {
            return Some((marker, position));
        }
    }
}

/// Where entropy-coded data ends: at the first marker that is neither stuffing nor a restart.
fn entropy_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut position = start;
    loop {
        position += bytes.get(position..)?.iter().position(|&byte| byte == 0xFF)?;
        match bytes.get(position + 1)? {
            0x00 | 0xD0..=0xD7 => position += 2,
            0xFF => position += 1,
            _ => return Some(position),
        }
    }
}

fn frame(marker: u8, data: &[u8]) -> Result<Frame, ImageError> {
    let bad = || ImageError::bad(Format::Jpeg, "the frame header is too short");
    let header: [u8; 6] = data.get(..6).and_then(|h| h.try_into().ok()).ok_or_else(bad)?;
    let [precision_bits, h1, h0, w1, w0, n_components] = header;
    let components = data.get(6..6 + 3 * usize::from(n_components)).ok_or_else(bad)?;
    let factors = components.chunks_exact(3).map(|component| component[1]);
    let horizontal = factors.clone().map(|factor| factor >> 4).max().unwrap_or(1);
    let vertical = factors.map(|factor| factor & 15).max().unwrap_or(1);
    Ok(Frame {
        width: u16::from_be_bytes([w1, w0]).into(),
        height: u16::from_be_bytes([h1, h0]).into(),
        precision_bits,
        n_components,
        marker,
        mcu: (8 * u32::from(horizontal.max(1)), 8 * u32::from(vertical.max(1))),
    })
}

impl Frame {
    /// Huffman-coded baseline, extended or progressive: what the pixel decoder knows.
    pub(crate) fn is_huffman_dct(&self) -> bool {
        matches!(self.marker, 0xC0..=0xC2)
    }

    pub(crate) fn is_progressive(&self) -> bool {
        self.marker == 0xC2
    }
}

/// Every coded unit costs at least a bit a component, so a tiny file cannot be a huge picture.
fn check_plausible(frame: Frame, entropy_bytes: u64) -> Result<(), ImageError> {
    let n_units = u64::from(frame.width.div_ceil(frame.mcu.0))
        * u64::from(frame.height.div_ceil(frame.mcu.1));
    let expected = n_units * u64::from(frame.n_components) / 8;
    if entropy_bytes < expected {
        let detail =
            format!("expected at least {expected} bytes of picture data, got {entropy_bytes}");
        return Err(ImageError::bad(Format::Jpeg, detail));
    }
    Ok(())
}

/// Chunks carry their number, from 1, and how many there are.
fn join_icc(chunks: &mut [&[u8]]) -> Option<Vec<u8>> {
    chunks.sort_by_key(|chunk| chunk.first().copied());
    let n_chunks = chunks.len();
    for (idx, chunk) in chunks.iter().enumerate() {
        let header = chunk.get(..2)?;
        if usize::from(header[0]) != idx + 1 || usize::from(header[1]) != n_chunks {
            return None;
        }
    }
    Some(chunks.iter().flat_map(|chunk| &chunk[2..]).copied().collect())
}

fn cut_short() -> ImageError {
    ImageError::bad(Format::Jpeg, "the file ends before its end-of-image marker")
}
