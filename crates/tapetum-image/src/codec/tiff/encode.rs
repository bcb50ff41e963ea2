//! Samples and metadata to TIFF files.
//!
//! The file begins with the EXIF stream itself, whose header is a TIFF header: every offset in it,
//! those of maker notes included, stays what it was. Pixels follow, then a new first directory
//! that takes over the stream's records beside those that describe the storage.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

use crate::{
    codec::{Format, Pixels},
    error::ImageError,
    metadata::{
        exif::{COMPRESSION, IMAGE_LENGTH, IMAGE_WIDTH},
        gather::{ICC, IPTC, PHOTOSHOP, XMP, is_structural},
        ifd::{self, BYTE, ByteOrder, LONG, RECORD_BYTES, SHORT, UNDEFINED},
        photoshop,
    },
    photo::Metadata,
    raster::Samples,
};

const STRIP_BYTES: usize = 256 << 10;
const FILE_BYTES_MAX: u64 = u32::MAX as u64;
const DEFLATE: u16 = 8;
const HORIZONTAL_DIFFERENCES: u16 = 2;
const NO_PREDICTOR: u16 = 1;
const UNASSOCIATED_ALPHA: u16 = 2;
pub(crate) const ASSOCIATED_ALPHA: u32 = 1;

/// Deflate's fast end; photographs gain little from more.
const LEVEL: u32 = 4;

/// Writes grey or RGB, with alpha or without, compressed without loss.
pub(crate) fn encode(pixels: &Pixels<'_>, metadata: &Metadata) -> Result<Vec<u8>, ImageError> {
    let mut file = File::begin(metadata.exif.as_deref());
    let (offsets, lengths) = file.write_strips(pixels)?;
    file.describe_storage(pixels, &offsets, &lengths);
    file.describe_photo(metadata);
    file.finish()
}

/// A file under construction.
struct File {
    bytes: Vec<u8>,
    order: ByteOrder,
    records: Vec<[u8; RECORD_BYTES]>,
}

impl File {
    fn begin(exif: Option<&[u8]>) -> Self {
        let Some((exif, (order, main))) = exif.and_then(|exif| Some((exif, ifd::open(exif)?)))
        else {
            let bytes = b"II*\0\0\0\0\0".to_vec();
            return Self { bytes, order: ByteOrder::Little, records: Vec::new() };
        };
        let entries = ifd::read(exif, order, main).map(|ifd| ifd.entries).unwrap_or_default();
        let kept = entries.iter().filter(|entry| !is_structural(entry.tag));
        let records = kept.filter_map(|entry| exif[entry.at..].first_chunk().copied()).collect();
        Self { bytes: exif.to_vec(), order, records }
    }

    /// Compresses strip after strip; returns where each begins and how long it is.
    fn write_strips(&mut self, pixels: &Pixels<'_>) -> Result<(Vec<u32>, Vec<u32>), ImageError> {
        let row_samples = pixels.width as usize * pixels.n_channels;
        let strip_samples = row_samples * rows_per_strip(pixels);
        let n_samples = pixels.samples.len();
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for start in (0..n_samples).step_by(strip_samples) {
            let end = (start + strip_samples).min(n_samples);
            let raw = self.strip_bytes(pixels, start..end, row_samples);
            self.align();
            offsets.push(self.offset()?);
            let before = self.bytes.len();
            let mut compressor = ZlibEncoder::new(&mut self.bytes, Compression::new(LEVEL));
            let done = compressor.write_all(&raw).and_then(|()| compressor.finish().map(drop));
            done.map_err(|error| ImageError::encode(Format::Tiff, error))?;
            lengths.push((self.bytes.len() - before) as u32);
        }
        Ok((offsets, lengths))
    }

    /// A strip in the file's byte order, whole numbers as differences along each row.
    fn strip_bytes(
        &self,
        pixels: &Pixels<'_>,
        range: std::ops::Range<usize>,
        row_samples: usize,
    ) -> Vec<u8> {
        let (order, step) = (self.order, pixels.n_channels);
        match pixels.samples.as_ref() {
            Samples::U8(values) => {
                let rows = values[range].chunks_exact(row_samples);
                rows.flat_map(|row| differences(row, step, u8::wrapping_sub)).collect()
            }
            Samples::U16(values) => {
                let rows = values[range].chunks_exact(row_samples);
                rows.flat_map(|row| differences(row, step, u16::wrapping_sub))
                    .flat_map(|value| order.bytes_u16(value))
                    .collect()
            }
            Samples::F32(values) => {
                values[range].iter().flat_map(|value| order.bytes_u32(value.to_bits())).collect()
            }
        }
    }

    fn describe_storage(&mut self, pixels: &Pixels<'_>, offsets: &[u32], lengths: &[u32]) {
        let n_channels = pixels.n_channels as u16;
        let (sample_format, predictor) = match pixels.samples.as_ref() {
            Samples::F32(_) => (3, NO_PREDICTOR),
            _ => (1, HORIZONTAL_DIFFERENCES),
        };
        let depth = u16::from(pixels.samples.depth_bits());
        self.add_longs(IMAGE_WIDTH, &[pixels.width]);
        self.add_longs(IMAGE_LENGTH, &[pixels.height]);
        self.add_shorts(258, &vec![depth; pixels.n_channels]);
        self.add_shorts(COMPRESSION, &[DEFLATE]);
        self.add_shorts(262, &[if n_channels < 3 { 1 } else { 2 }]);
        self.add_longs(273, offsets);
        self.add_shorts(277, &[n_channels]);
        self.add_longs(278, &[rows_per_strip(pixels) as u32]);
        self.add_longs(279, lengths);
        self.add_shorts(284, &[1]);
        self.add_shorts(317, &[predictor]);
        if n_channels.is_multiple_of(2) {
            self.add_shorts(338, &[UNASSOCIATED_ALPHA]);
        }
        self.add_shorts(339, &vec![sample_format; pixels.n_channels]);
    }

    fn describe_photo(&mut self, metadata: &Metadata) {
        if let Some(xmp) = &metadata.xmp {
            self.add(XMP, BYTE, xmp.len(), xmp);
        }
        if let Some(resources) = &metadata.iptc {
            self.add(PHOTOSHOP, BYTE, resources.len(), resources);
            if let Some(iptc) = photoshop::iptc(resources) {
                self.add(IPTC, UNDEFINED, iptc.len(), iptc);
            }
        }
        if let Some(icc) = &metadata.icc {
            self.add(ICC, UNDEFINED, icc.len(), icc);
        }
    }

    fn finish(mut self) -> Result<Vec<u8>, ImageError> {
        self.align();
        let at = self.offset()?;
        let directory = ifd::write(self.order, &mut self.records, 0);
        self.bytes.extend(directory);
        self.bytes[4..8].copy_from_slice(&self.order.bytes_u32(at));
        Ok(self.bytes)
    }

    fn add_shorts(&mut self, tag: u16, values: &[u16]) {
        let order = self.order;
        let bytes: Vec<u8> = values.iter().flat_map(|&value| order.bytes_u16(value)).collect();
        self.add(tag, SHORT, values.len(), &bytes);
    }

    fn add_longs(&mut self, tag: u16, values: &[u32]) {
        let order = self.order;
        let bytes: Vec<u8> = values.iter().flat_map(|&value| order.bytes_u32(value)).collect();
        self.add(tag, LONG, values.len(), &bytes);
    }

    /// Adds a record; a value of more than four bytes goes into the file at once.
    fn add(&mut self, tag: u16, kind: u16, count: usize, value: &[u8]) {
        let mut field = [0; 4];
        if value.len() <= 4 {
            field[..value.len()].copy_from_slice(value);
        } else {
            self.align();
            field = self.order.bytes_u32(self.bytes.len() as u32);
            self.bytes.extend_from_slice(value);
        }
        self.records.push(ifd::record(self.order, tag, kind, count as u32, field));
    }

    fn align(&mut self) {
        if self.bytes.len() % 2 == 1 {
            self.bytes.push(0);
        }
    }

    /// Where the next bytes go, with room left for the largest metadata.
    fn offset(&self) -> Result<u32, ImageError> {
        let length = self.bytes.len() as u64;
        u32::try_from(length).map_err(|_| ImageError::CannotHold {
            format: Format::Tiff,
            what: format!("more than {FILE_BYTES_MAX} bytes"),
            hint: "choose PNG",
        })
    }
}

fn rows_per_strip(pixels: &Pixels<'_>) -> usize {
    let sample_bytes = usize::from(pixels.samples.depth_bits() / 8);
    let row_bytes = pixels.width as usize * pixels.n_channels * sample_bytes;
    (STRIP_BYTES / row_bytes).clamp(1, pixels.height as usize)
}

/// Each sample less the one of the pixel before.
fn differences<T: Copy>(row: &[T], step: usize, subtract: impl Fn(T, T) -> T) -> Vec<T> {
    let first = row[..step].iter().copied();
    first.chain(row[step..].iter().zip(row).map(|(&v, &before)| subtract(v, before))).collect()
}
